#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs doxygen over the public headers.

    make.py DOXYGEN HEADERS VERSION OUTPUT html|xml      a folder of that name below OUTPUT; what is left undocumented fails it
"""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main(doxygen, headers, version, output, form):
    values = {"HEADERS": pathlib.Path(headers).resolve(), "VERSION": version, "OUTPUT": pathlib.Path(output).resolve(),
              "FILTER": HERE / "filter.py", "MAIN_PAGE": HERE / "main.md",
              "HTML": "YES" if form == "html" else "NO", "XML": "YES" if form == "xml" else "NO"}
    settings = (HERE / "Doxyfile.in").read_text(encoding="utf-8")
    for name, value in values.items():
        settings = settings.replace(f"@{name}@", str(value))
    return subprocess.run([doxygen, "-"], input=settings, text=True).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
