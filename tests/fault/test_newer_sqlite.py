# SPDX-License-Identifier: MIT
"""What Debian's SQLite is too old for: a producer in another process is served from 3.51.3 on. The tests in C are run again with a later
SQLite, built from the source that a package of npm carries (./dev tools), in place of the system's; and so is the store's contract."""
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(os.environ.get("TASKQ_SOURCE_ROOT", pathlib.Path(__file__).resolve().parents[2]))
SOURCE = ROOT / "build-tools/node/node_modules/better-sqlite3/deps/sqlite3/sqlite3.c"
# The build's root: the server stands in apps/taskq-server/ of it.
TESTS = pathlib.Path(os.environ.get("TASKQ_SERVER", ROOT / "build/apps/taskq-server/taskq-server")).parents[2] / "tests"


class NewerSqlite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not SOURCE.exists():
            reason = "no later SQLite is there: ./dev tools"
            if os.environ.get("TASKQ_TOOLS"):
                raise AssertionError(reason)
            raise unittest.SkipTest(reason)
        folder = tempfile.TemporaryDirectory(prefix="taskq-sqlite-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        subprocess.run(["cc", "-O1", "-fPIC", "-shared", "-w", "-Wl,-soname,libsqlite3.so.0", "-o", f"{folder.name}/libsqlite3.so.0",
                        str(SOURCE), "-lpthread", "-lm", "-ldl"], check=True, timeout=300)

    def run_with_it(self, name, expected=""):
        """A program of the suites in C, every test of which must pass."""
        ended = subprocess.run([str(TESTS / name)], env={**os.environ, "LD_LIBRARY_PATH": self.folder}, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=300)
        self.assertEqual(0, ended.returncode, ended.stdout + ended.stderr)
        self.assertIn(f"{expected}: Passed", ended.stdout)

    def test_producers_in_other_processes_are_served(self):
        self.run_with_it("scheduler-host_beside", "several_processes_and_the_scheduler_write_side_by_side")

    def test_a_host_has_its_transactions(self):
        for name in ("scheduler-host", "scheduler-host_misuse", "scheduler-host_connection", "scheduler-host_killed"):
            self.run_with_it(name)

    def test_the_store_keeps_its_contract(self):
        for name in ("contract-sqlite", "contract-sqlite_plans", "contract-sqlite_file", "contract-sqlite_log"):
            self.run_with_it(name)


if __name__ == "__main__":
    unittest.main()
