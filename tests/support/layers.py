# SPDX-License-Identifier: MIT
"""Prints the layers that a C file's includes name, so that a test is linked with those and what they need, and
is built while another layer is not."""
import pathlib
import re
import sys

NEEDS = {
    "core": ["core"],
    "wire": ["core", "wire"],
    "store": ["core", "store"],
    "scheduler": ["core", "store", "scheduler"],
    "server": ["core", "wire", "store", "scheduler", "server"],
    "worker": ["core", "wire", "worker"],
    "store/postgres": ["core", "store", "postgres"],
}
PUBLIC = {"store": "store", "sqlite": "store", "postgres": "store/postgres", "sys/store": "core", "scheduler": "scheduler", "server": "server", "tokens": "server",
          "client": "worker", "worker": "worker"}

TESTS = pathlib.Path(__file__).resolve().parents[1]

found = {"core"}
waiting = [pathlib.Path(name) for name in sys.argv[1:]]
seen = set()
while waiting:
    path = waiting.pop()
    if path in seen or not path.is_file():
        continue
    seen.add(path)
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, re.MULTILINE):
        found.update(NEEDS.get(name.split("/")[0], []))
        found.update(NEEDS.get("/".join(name.split("/")[:2]), []))
        waiting += [TESTS / name, path.parent / name]
    for header in re.findall(r"^\s*#\s*include\s*<taskq/([\w/]+)\.h>", text, re.MULTILINE):
        found.update(NEEDS[PUBLIC.get(header, "core")])
print("\n".join(sorted(found)))
