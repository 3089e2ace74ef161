#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs doxygen over the public headers.

    make.py DOXYGEN HEADERS VERSION OUTPUT html|xml      a folder of that name below OUTPUT; what is left undocumented fails it

The pages need no script, so they carry none: doxygen would put a copy of jQuery beside them.
"""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def take_scripts_out(folder):
    for page in folder.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        text = re.sub(r'<script\b.*?</script>\n?|<div class="levels">.*?</div>| onclick="[^"]*"', "", text, flags=re.DOTALL)
        page.write_text(text, encoding="utf-8")
    for script in folder.glob("*.js"):
        script.unlink()


def main(doxygen, headers, version, output, form):
    values = {"HEADERS": pathlib.Path(headers).resolve(), "VERSION": version, "OUTPUT": pathlib.Path(output).resolve(),
              "FILTER": HERE / "filter.py", "MAIN_PAGE": HERE / "main.md",
              "HTML": "YES" if form == "html" else "NO", "XML": "YES" if form == "xml" else "NO"}
    settings = (HERE / "Doxyfile.in").read_text(encoding="utf-8")
    for name, value in values.items():
        settings = settings.replace(f"@{name}@", str(value))
    status = subprocess.run([doxygen, "-"], input=settings, text=True).returncode
    if status == 0 and form == "html":
        take_scripts_out(values["OUTPUT"] / "html")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
