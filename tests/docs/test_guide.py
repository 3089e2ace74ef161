# SPDX-License-Identifier: MIT
"""The guide's pages: every command runs, every fragment of C compiles, every link leads somewhere.

A page's shell blocks are one script, run in an empty folder with the built programs, its port 7070 being a free one. A block of C that
follows `<!-- given: TYPE NAME, ... -->` stands in a function with these arguments; any other is a file of its own.
"""
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from postgres import Postgres
from program import environment, executable

ROOT = pathlib.Path(os.environ["TASKQ_SOURCE_ROOT"])
BUILD = pathlib.Path(os.environ["TASKQ_BUILD_ROOT"])
GUIDE = ROOT / "examples/guide"
PAGES = sorted(GUIDE.glob("*.md"))
BLOCK = re.compile(r"(?:^<!-- given: (?P<given>.*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
INCLUDES = "#include <poll.h>\n#include <sqlite3.h>\n#include <stdio.h>\n#include <taskq/postgres.h>\n#include <taskq/taskq.h>\n"


def blocks(page, kind, section=None):
    """The blocks of a page; of one section, or without it those of all that need no database of their own."""
    text = page.read_text(encoding="utf-8")
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    titles = dict(zip(parts[1::2], parts[2::2]))
    alone = titles.pop("PostgreSQL", "")
    text = alone if section == "PostgreSQL" else "".join([parts[0], *titles.values()]) if kind == "sh" else text
    return [match for match in BLOCK.finditer(text) if match["kind"] == kind]


def free_port():
    """Below those that the system gives out by itself, so that nobody gets it before the server does."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


class Guide(unittest.TestCase):
    def run_script(self, script, port, **more):
        folder = tempfile.TemporaryDirectory(prefix="taskq-guide-")
        self.addCleanup(folder.cleanup)
        packages = pathlib.Path(folder.name) / ".pkgconfig"  # as installed, but where the build stands
        packages.mkdir()
        for path in (BUILD / "pkgconfig").glob("*.pc"):
            told = re.sub(r"^libdir=.*", f"libdir={BUILD / 'lib'}", path.read_text(), flags=re.MULTILINE)
            (packages / path.name).write_text(re.sub(r"^includedir=.*", f"includedir={ROOT / 'include'}", told, flags=re.MULTILINE))
        programs = {str(pathlib.Path(executable(name)).parent) for name in ("TASKQ_SERVER", "TASKQ_WORKER", "TASKQ_CLI")}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "trap 'trap - EXIT; jobs -p | xargs -r kill; wait' EXIT\n" + script],
            cwd=folder.name, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
            env=environment({"PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
                             "TASKQ_LISTEN": f"127.0.0.1:{port}", "TASKQ_SERVER": f"http://127.0.0.1:{port}", **more,
                             "PKG_CONFIG_PATH": str(packages), "LD_LIBRARY_PATH": str(BUILD / "lib")}))

    def check_commands(self, name, section=None, **more):
        port = free_port()
        script = "".join(match["text"] for match in blocks(GUIDE / name, "sh", section)).replace(":7070", f":{port}")
        self.assertGreater(script.count("\n"), 2)
        ended = self.run_script(script, port, **more)
        self.assertEqual(0, ended.returncode, ended.stdout + ended.stderr)

    def test_the_commands_of_concepts_run(self):
        self.check_commands("concepts.md")

    def test_the_commands_of_embedding_run(self):
        self.check_commands("embedding.md")

    def test_the_commands_of_operating_run(self):
        self.check_commands("operating.md")

    def test_the_commands_of_operating_on_postgresql_run(self):
        if "--db-schema" not in self.options(executable("TASKQ_SERVER")):
            self.skipTest("built without PostgreSQL")
        if not shutil.which("psql"):
            self.skipTest("no psql")
        with Postgres() as database:
            self.check_commands("operating.md", "PostgreSQL", DATABASE=database.url())

    def test_the_commands_of_upgrading_run(self):
        self.check_commands("upgrading.md")

    def test_every_fragment_of_c_compiles(self):
        seen = 0
        for page in PAGES:
            for match in blocks(page, "c"):
                text = match["text"]
                if match["given"]:
                    text = f"void fragment({match['given']});\nvoid fragment({match['given']})\n{{\n{text}}}\n"
                text = INCLUDES + text
                ended = subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
                                        "-fsyntax-only", f"-I{ROOT / 'include'}", "-x", "c", "-"], input=text, capture_output=True,
                                       text=True, timeout=60)
                self.assertEqual(0, ended.returncode, f"{page.name}\n{text}\n{ended.stderr}")
                seen += 1
        self.assertGreater(seen, 5)

    def test_no_block_is_of_a_kind_that_nobody_tries(self):
        for page in PAGES:
            for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
                self.assertIn(match["kind"], ("c", "sh"), page.name)

    def test_every_link_leads_somewhere(self):
        for page in [ROOT / "README.md", *PAGES]:
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
                if target.startswith("http"):
                    continue
                path, _, part = target.partition("#")
                leads_to = (page.parent / path).resolve() if path else page
                self.assertTrue(leads_to.exists(), f"{page.name}: {target}")
                if part:
                    headings = re.findall(r"^#+ (.*)$", leads_to.read_text(encoding="utf-8"), re.MULTILINE)
                    self.assertIn(part, [anchor(heading) for heading in headings], f"{page.name}: {target}")

    def test_every_option_that_a_page_names_is_there(self):
        known = set()
        for name in ("TASKQ_SERVER", "TASKQ_WORKER", "TASKQ_CLI"):
            known |= self.options(executable(name))
        for command in re.findall(r"^  ([a-z]+) ", self.shown(executable("TASKQ_CLI")), re.MULTILINE):
            known |= self.options(executable("TASKQ_CLI"), command)
        for page in PAGES:
            prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
            for option in re.findall(r"`(?:taskq[\w-]* (?:\w+ )*)?(--[a-z][\w-]*)", prose):
                self.assertIn(option, known, page.name)

    @staticmethod
    def shown(*command):
        return subprocess.run([*command, "--help"], capture_output=True, text=True, env=environment(), timeout=60).stdout

    def options(self, *command):
        return set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", self.shown(*command), re.MULTILINE))


if __name__ == "__main__":
    unittest.main()
