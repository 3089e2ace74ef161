# SPDX-License-Identifier: MIT
"""The units of systemd, judged by systemd itself, without running it."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from program import executable, run

FOLDER = pathlib.Path(os.environ["TASKQ_SOURCE_ROOT"]) / "apps" / "units"
UNITS = {"taskq-server": "TASKQ_SERVER", "taskq-worker": "TASKQ_WORKER"}
EXPOSURE_MAX = 1.5


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", "--no-pager", *map(str, arguments)], capture_output=True, text=True, check=False)


def unit(name):
    """As it would be installed beside the programs under test."""
    return (FOLDER / f"{name}.service.in").read_text().replace(f"@bindir@/{name}", executable(UNITS[name]))


def exposure(path):
    done = analyze("security", "--offline=true", path)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found.group(1))


@unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze (package systemd)")
class Units(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="taskq-units-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_a_unit_is_exposed_as_little_as_it_can_be(self):
        for name in UNITS:
            (self.folder / f"{name}.service").write_text(unit(name))
            self.assertLess(exposure(self.folder / f"{name}.service"), EXPOSURE_MAX, name)

    def test_a_unit_without_all_that_would_be_found_out(self):
        plain = self.folder / "plain.service"
        plain.write_text("[Service]\nExecStart=/bin/true\n")
        self.assertGreater(exposure(plain), 9)

    def test_systemd_understands_every_line(self):
        for name in UNITS:
            (self.folder / f"{name}.service").write_text(unit(name))
            done = analyze("verify", "--man=no", self.folder / f"{name}.service")
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    def test_the_programs_know_the_options(self):
        for name, variable in UNITS.items():
            text = (FOLDER / f"{name}.service.in").read_text()
            options = set(re.findall(r"^#?ExecStart=(.+)$", text, re.MULTILINE))
            known = run(variable, "--help").stdout
            for option in re.findall(r"--[a-z-]+", " ".join(options)):
                self.assertIn(f"{option} ", known, name)


if __name__ == "__main__":
    unittest.main()
