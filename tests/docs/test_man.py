# SPDX-License-Identifier: MIT
"""The manual pages say all that the programs can be told, and render without a complaint."""
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import asked

GENERATE = pathlib.Path(os.environ["TASKQ_SOURCE_ROOT"]) / "apps/man/generate.py"


def pages():
    return sorted(path for path in asked.MADE.iterdir() if re.fullmatch(r"taskq[\w-]*\.[1-8]", path.name))


@functools.cache
def rendered(page, width=200):
    """The page as a reader sees it, and what was complained of. A hyphen of man's own is told from those of the text by a U+00AD."""
    shown = subprocess.run(["man", "--warnings", "--encoding=UTF-8", "--local-file", str(page)], capture_output=True, text=True,
                           env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": str(width), "MANPAGER": "cat",
                                "MANROFFOPT": "-c"}, timeout=60)
    return re.sub(r".\x08", "", shown.stdout).replace("\u2010\n", "\u00ad\n").replace("\u2010", "-").replace("\u2212", "-"), shown.stderr


@unittest.skipUnless(pages(), "no scdoc, so no pages were built")
@unittest.skipUnless(shutil.which("man"), "man is not installed")
class Pages(unittest.TestCase):
    def test_every_page_renders_without_a_warning(self):
        for page in pages():
            with self.subTest(page=page.name):
                text, warnings = rendered(page)
                self.assertEqual("", warnings)
                self.assertIn("NAME\n", text)
                self.assertNotRegex(text, r"(?m)^ *@|@VERSION")

    def test_every_program_and_format_and_library_has_its_page(self):
        names = {page.name for page in pages()}
        self.assertLessEqual({"taskq.1", "taskq-server.1", "taskq-worker.1", "taskq-tokens.5", "taskq-jobs.5", "taskq-targets.5",
                              "taskq.3", "taskq-scheduler.3", "taskq-worker.3", "taskq-sqlite.3"}, names)

    def test_every_option_of_help_stands_in_the_page(self):
        for program in asked.PROGRAMS:
            text = rendered(asked.MADE / f"{program}.1")[0]
            said = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text, re.MULTILINE))
            for command in [None] + (asked.commands() if program == "taskq" else []):
                self.assertEqual(set(), asked.options(program, command) - said, f"{program} {command}")

    def test_every_subcommand_has_a_section_with_its_own_options(self):
        sections = re.split(r"^   taskq ([a-z]+)", rendered(asked.MADE / "taskq.1")[0], flags=re.MULTILINE)
        of = dict(zip(sections[1::2], sections[2::2]))
        self.assertEqual(asked.commands(), list(of))
        common = asked.options("taskq")
        for command in asked.commands():
            for option in asked.options("taskq", command) - common:
                self.assertRegex(of[command], rf"(?m)^ +(-\w, )?{option}\b", command)

    def test_every_function_of_the_library_stands_in_a_page_of_section_3(self):
        told = {name for page in pages() if page.suffix == ".3" for name in re.findall(r"\b(taskq_\w+)\(\)", rendered(page)[0])}
        source = pathlib.Path(os.environ["TASKQ_SOURCE_ROOT"]) / "include"
        headers = [path for path in source.rglob("*.h")
                   if path.name != "postgres.h" or (asked.MADE / "taskq-postgres.3").exists()]
        declared = {name for path in headers for name in re.findall(r"^TASKQ_API[^;{]*?\b(taskq_\w+)\s*\(",
                                                                    path.read_text(encoding="utf-8"), re.MULTILINE)}
        self.assertEqual(set(), declared - told, "name them in apps/man/*.3.scd")

    def test_code_comes_through_as_it_was_written(self):
        for page in pages():
            text = rendered(page)[0]
            for block in re.findall(r"^```\n(.*?)^```$", (GENERATE.parent / f"{page.name}.scd").read_text(), re.DOTALL | re.MULTILINE):
                for line in block.splitlines():
                    self.assertTrue(line.strip() in text, f"{page.name}: {line}")

    def test_no_name_is_broken_at_the_end_of_a_line(self):
        for page in pages():
            self.assertEqual([], re.findall(r"(?m)^.*\u00ad$", rendered(page, 72)[0]), page.name)

    def test_a_page_names_only_pages_that_there_are(self):
        there = {(page.stem, page.suffix[1:]) for page in pages()} | {("fork", "2"), ("taskq-postgres", "3")}
        for page in pages():
            for name, section in re.findall(r"\b([a-z][\w-]*)\((\d)\)", rendered(page)[0]):
                self.assertIn((name, section), there, page.name)

    def test_no_line_is_wider_than_a_terminal_of_80_columns_but_for_code(self):
        prose = rendered(asked.MADE / "taskq-server.1", 80)[0].split("\nEXAMPLES\n")[0]
        self.assertLessEqual(max(len(line) for line in prose.splitlines()), 80)


class Installed(unittest.TestCase):
    def test_pages_and_completions_go_where_man_and_the_shells_look(self):
        plan = json.loads(subprocess.run(["meson", "introspect", "--install-plan", os.environ["TASKQ_BUILD_ROOT"]],
                                         capture_output=True, text=True, check=True, timeout=60).stdout)
        goes = {target["destination"].replace("{prefix}/share", "{datadir}").replace("{mandir}", "{datadir}/man")
                for group in plan.values() for target in group.values()}
        expected = {f"{{datadir}}/man/man{page.suffix[1:]}/{page.name}" for page in pages()}
        for program in asked.PROGRAMS:
            expected |= {f"{{datadir}}/bash-completion/completions/{program}", f"{{datadir}}/zsh/site-functions/_{program}",
                         f"{{datadir}}/fish/vendor_completions.d/{program}.fish"}
        self.assertEqual(set(), expected - goes)


class Generator(unittest.TestCase):
    def page(self, template):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "page.scd"
            path.write_text(template)
            return subprocess.run([sys.executable, str(GENERATE), "page", str(path), str(asked.MADE / "tables.json"), "1.2.3"],
                                  capture_output=True, text=True, timeout=60)

    def test_a_page_that_leaves_a_subcommand_out_is_not_made(self):
        made = self.page("@COMMAND get@\n")
        self.assertNotEqual(0, made.returncode)
        self.assertIn("enqueue", made.stderr)

    def test_a_line_that_is_misspelt_is_not_passed_on(self):
        made = self.page("@OPTION taskq@\n")
        self.assertNotEqual(0, made.returncode)
        self.assertIn("not understood", made.stderr)

    def test_what_scdoc_would_take_for_markup_is_escaped(self):
        text = self.page("@OPTIONS taskq-worker@\n").stdout
        self.assertIn("\\*.app.example", text)
        self.assertIn("*TASKQ\\_HTTP\\_ALLOW*", text)

    def test_the_tables_are_those_of_the_programs(self):
        tables = {program["name"]: program for program in json.loads((asked.MADE / "tables.json").read_text())}
        self.assertEqual(set(asked.PROGRAMS), set(tables))
        for name, table in tables.items():
            self.assertEqual(asked.options(name), {"--" + option["name"] for option in table["options"]} | {"--help", "--version"})
        self.assertEqual(asked.commands(), [command["name"] for command in tables["taskq"]["commands"]])


if __name__ == "__main__":
    unittest.main()
