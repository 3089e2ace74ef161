# SPDX-License-Identifier: MIT
"""The bench runs and prints every line. What it measures is no test's business: the machine may be busy."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("TASKQ_BUILD_ROOT", HERE.parents[1] / "build"))


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ended = subprocess.run([sys.executable, HERE / "bench", "--quick", "--build", BUILD],
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)

    def test_it_ends_well(self):
        self.assertEqual(0, self.ended.returncode, self.ended.stdout + self.ended.stderr)

    def test_it_says_of_every_target_whether_it_was_reached(self):
        judged = re.findall(r"(REACHED|SHORT)$", self.ended.stdout, re.MULTILINE)
        self.assertEqual(14, len(judged), self.ended.stdout)

    def test_it_leaves_nothing_behind(self):
        self.assertEqual([], list((BUILD / "bench-data").iterdir()))


if __name__ == "__main__":
    unittest.main()
