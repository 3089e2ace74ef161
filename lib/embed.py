# SPDX-License-Identifier: MIT
"""Puts files into the program: embed.py OUT.c NAME=FILE ... makes taskq_text constants taskq__NAME."""
import sys

out, *pairs = sys.argv[1:]
with open(out, "w", encoding="utf-8") as made:
    made.write('/* SPDX-License-Identifier: MIT */\n/* Made by lib/embed.py. */\n#include "server/pages.h"\n')
    for pair in pairs:
        name, _, path = pair.partition("=")
        with open(path, "rb") as file:
            data = file.read()
        rows = [", ".join(map(str, data[at:at + 24])) for at in range(0, len(data), 24)]
        made.write(f"\nstatic const unsigned char {name}_bytes[] = {{\n    " + ",\n    ".join([*rows, "0"]) + "};\n")
        made.write(f"const taskq_text taskq__{name} = {{(const char *){name}_bytes, {len(data)}}};\n")
