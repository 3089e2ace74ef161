#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What doxygen reads in place of a header: the same lines, with what our headers leave to the reader's eye said in doxygen's way.

The opening comment is the file's; every struct_size, every ..._count behind the list that it counts and every _INIT macro is what it always
is; a remark behind `int64_t lost, timed_out;` is about both; and the name of a header in angle brackets is not HTML.
"""
import re
import sys

STRUCT_SIZE = "size_t struct_size; /**< sizeof of this struct: which fields there are. Set by the _INIT macro where there is one. */"


def distribute(match):
    """`T a, *b; /**< x */` as `T a; /**< x */ T *b; /**< x */`, on one line."""
    kind, names, remark = match.groups()
    return "    " + " ".join(f"{kind} {name.strip()}; {remark}" for name in names.split(","))


def filtered(text):
    text = re.sub(r"\A(/\*.*\*/\n)/\*\n", r"\1/** @file\n", text)
    text = re.sub(r"^( \*.*|.*/\*\*.*)$", lambda line: re.sub(r"<(taskq/[\w./]+)>", r"\\<\1\\>", line[0]), text, flags=re.MULTILINE)
    text = re.sub(r"^    size_t struct_size;$", "    " + STRUCT_SIZE, text, flags=re.MULTILINE)
    text = re.sub(r"^    uint32_t (\w+)_count;$", r"    uint32_t \1_count; /**< how many there are in the list before it */", text,
                  flags=re.MULTILINE)
    text = re.sub(r"^#define (TASKQ_\w+_INIT)\b(?=[ \\]*$)", r"/** What it starts as: every default. */ #define \1", text, flags=re.MULTILINE)
    return re.sub(r"^    ((?:const )?\w+) (\*?\w+(?:, \*?\w+)+); *(/\*\*<.*\*/)$", distribute, text, flags=re.MULTILINE)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as header:
        sys.stdout.write(filtered(header.read()))
