# SPDX-License-Identifier: MIT
"""The bench runs and prints every line. What it measures is no test's business: the machine may be busy."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("TASKQ_BUILD_ROOT", HERE.parents[1] / "build"))
sys.path.insert(0, str(HERE.parent))

from support.postgres import binaries  # noqa: E402


class OnSqlite(unittest.TestCase):
    database, judged = "sqlite", 14

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="taskq-bench-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.folder.chmod(0o755)  # where we are root PostgreSQL is somebody else
        cls.ended = subprocess.run([sys.executable, HERE / "bench", "--db", cls.database, "--quick", "--build", BUILD],
                                   env={**os.environ, "TMPDIR": folder.name}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                   timeout=240)

    def test_it_ends_well(self):
        self.assertEqual(0, self.ended.returncode, self.ended.stdout + self.ended.stderr)

    def test_it_says_of_every_target_whether_it_was_reached(self):
        judged = re.findall(r"(REACHED|SHORT)$", self.ended.stdout, re.MULTILINE)
        self.assertEqual(self.judged, len(judged), self.ended.stdout)

    def test_it_leaves_nothing_behind(self):
        self.assertEqual([], list((BUILD / "bench-data").iterdir()))
        self.assertEqual([], list(self.folder.iterdir()))


class OnPostgres(OnSqlite):
    database, judged = "postgresql", 16

    @classmethod
    def setUpClass(cls):
        binaries()  # or it is skipped
        super().setUpClass()


if __name__ == "__main__":
    unittest.main()
