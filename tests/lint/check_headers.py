#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each public header compiles alone, as C99 and as C++17, pedantic and without a warning. Prints TAP."""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-pedantic-errors", "-Wshadow", "-Wconversion", "-Werror"]
LANGUAGES = [
    ("C99", "c", ["-std=c99"], ("cc", "clang")),
    ("C++17", "c++", ["-std=c++17"], ("c++", "clang++")),
]


def main():
    headers = sorted(path.relative_to(ROOT / "include").as_posix() for path in (ROOT / "include").rglob("*.h"))
    number = failed = 0
    print("TAP version 13")
    for language, kind, standard, compilers in LANGUAGES:
        for compiler in compilers:
            for header in headers:
                number += 1
                name = f"{number} - {header} compiles alone as {language} with {compiler}"
                if shutil.which(compiler) is None:
                    print(f"ok {name} # SKIP {compiler} is not installed")
                    continue
                # Twice: the guard holds. The typedef is for a header that is made of macros alone.
                text = f"#include <{header}>\n#include <{header}>\ntypedef int taskq_nothing;\n"
                run = subprocess.run([compiler, "-x", kind, *standard, *WARNINGS, "-I", str(ROOT / "include"),
                                      "-fsyntax-only", "-"], input=text, capture_output=True, text=True,
                                     env={**os.environ, "LC_ALL": "C"})
                failed += run.returncode != 0
                print(f"{'ok' if run.returncode == 0 else 'not ok'} {name}")
                for line in run.stderr.splitlines() if run.returncode else []:
                    print(f"# {line}")
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
