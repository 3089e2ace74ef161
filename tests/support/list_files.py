# SPDX-License-Identifier: MIT
"""Prints the names of the files in a folder that match a pattern, one a line."""
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
pattern = sys.argv[2] if len(sys.argv) > 2 else "*.c"
for path in sorted(folder.glob(pattern)):
    print(path.relative_to(folder).as_posix())
