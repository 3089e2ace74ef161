# SPDX-License-Identifier: MIT
"""The API reference: every public header's rules and every public symbol have words of their own."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(os.environ["TASKQ_SOURCE_ROOT"])
HEADERS = ROOT / "include"


def make(headers, output, form="xml"):
    return subprocess.run([sys.executable, str(ROOT / "apps/reference/make.py"), shutil.which("doxygen"), str(headers), "1.2.3",
                           str(output), form], capture_output=True, text=True, timeout=120)


def words(element):
    return "".join("".join(part.itertext()) for name in ("briefdescription", "detaileddescription")
                   for part in element.findall(name)).strip()


@unittest.skipUnless(shutil.which("doxygen"), "doxygen is not installed")
class Reference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="taskq-docs-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.made = make(HEADERS, cls.folder.name)
        cls.compounds = [compound for path in sorted((pathlib.Path(cls.folder.name) / "xml").glob("*.xml"))
                         for compound in xml.parse(path).getroot().findall("compounddef")]

    def files(self):
        return {file.findtext("compoundname"): file for file in self.compounds if file.get("kind") == "file"
                and file.findtext("compoundname").endswith(".h")}

    def test_doxygen_has_nothing_to_complain_of(self):
        self.assertEqual((0, ""), (self.made.returncode, self.made.stderr))

    def test_every_public_header_is_there_and_opens_with_its_rules(self):
        files = [file for file in self.compounds if file.get("kind") == "file" and file.find("location").get("file").endswith(".h")]
        self.assertEqual(len(list(HEADERS.rglob("*.h"))), len(files))
        for file in files:
            self.assertGreater(len(words(file)), 80, file.find("location").get("file"))

    def test_every_symbol_has_words_of_its_own(self):
        silent = []
        for compound in self.compounds:
            if compound.get("kind") in ("struct", "union") and not words(compound) and "." not in compound.findtext("compoundname"):
                silent.append(compound.findtext("compoundname"))
            for member in compound.iter("memberdef"):
                name = member.findtext("name")
                if re.fullmatch(r"TASKQ_\w+_H", name):
                    continue
                if not words(member) and not (member.get("kind") == "enum" and not name):
                    silent.append(f"{compound.findtext('compoundname')}: {name}")
                silent += [f"{name}: {value.findtext('name')}" for value in member.findall("enumvalue") if not words(value)]
        self.assertEqual([], silent)

    def test_every_function_of_the_headers_is_in_it(self):
        known = {member.findtext("name") for compound in self.compounds for member in compound.iter("memberdef")}
        declared = {name for path in HEADERS.rglob("*.h")
                    for name in re.findall(r"^TASKQ_API[^;{]*?\b(taskq_\w+)\s*\(", path.read_text(), re.MULTILINE)}
        self.assertGreater(len(declared), 80)
        self.assertEqual(set(), declared - known)

    def test_a_symbol_without_words_fails_it(self):
        headers = pathlib.Path(self.folder.name) / "headers"
        (headers / "taskq").mkdir(parents=True)
        text = (HEADERS / "taskq/clock.h").read_text()
        (headers / "taskq/clock.h").write_text(text.replace("TASKQ_END_DECLS\n", "TASKQ_API void taskq_clock_stop(void);\n\nTASKQ_END_DECLS\n"))
        made = make(headers, pathlib.Path(self.folder.name) / "other")
        self.assertNotEqual(0, made.returncode)
        self.assertIn("taskq_clock_stop", made.stderr)

    def test_the_pages_lead_to_one_another_and_carry_no_script(self):
        folder = pathlib.Path(self.folder.name) / "html"
        self.assertEqual(0, make(HEADERS, self.folder.name, "html").returncode)
        pages = list(folder.glob("*.html"))
        self.assertGreater(len(pages), 40)
        self.assertEqual([], list(folder.glob("*.js")))
        for page in pages:
            text = page.read_text(encoding="utf-8")
            self.assertNotRegex(text, "<script|onclick", page.name)
            for target in re.findall(r'href="([^"#:]+)[^":]*"', text):
                self.assertTrue((folder / target).exists(), f"{page.name}: {target}")


if __name__ == "__main__":
    unittest.main()
