# SPDX-License-Identifier: MIT
"""The kernel refuses to flush, once, in mid-load: who waited for that flush is told, nothing is acknowledged any more, the
server ends by itself, and started again it has everything that it had acknowledged."""
import os
import re
import shutil
import subprocess
import unittest

from harness import FreshServerCase
from program import Program, run
from traffic import LOST, Ledger, Load
from waiting import wait_until

EXIT_FAILED = 1


class FailedFlush(FreshServerCase):
    def setUp(self):
        super().setUp()
        if "TASKQ_TEST_DB" in os.environ:
            self.skipTest("about the store in a file")
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")

    def fail_flush(self, server, number):
        """From now on: the number-th flush of each of the server's threads fails."""
        calls = server.folder / f"calls-{server.program.pid}"
        tracer = Program(["strace", "-f", "-p", server.program.pid, "-o", calls, "-e", "trace=fdatasync,fsync",
                          "-e", f"inject=fdatasync,fsync:error=EIO:when={number}"], server.folder, "strace")
        self.addCleanup(tracer.kill)
        wait_until(lambda: "attached" in tracer.log() or not tracer.is_running(), what="strace")
        if not tracer.is_running():
            self.skipTest(f"strace may not look at the server: {tracer.log().strip()}")
        return calls

    def readiness(self, server):
        """What /readyz says of itself; None of one that has ended meanwhile."""
        client = server.client()
        try:
            return client.health("/readyz").status
        except LOST:
            return None
        finally:
            client.close()

    def await_unready(self, server):
        """/readyz keeps an answer for a moment, then it fails; or the server has ended already."""
        wait_until(lambda: self.readiness(server) in (503, None), what="/readyz that fails")

    def start_again(self, server, ledger):
        checked = run("TASKQ_SERVER", "--db", server.db, "--check")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        server.start()
        self.assertEqual(self.readiness(server), 200)
        ledger.check(self.client_of(server))

    def lines_after_the_fault(self, calls):
        lines = calls.read_text().splitlines()
        first = next((i for i, line in enumerate(lines) if "INJECTED" in line), None)
        self.assertIsNotNone(first, "no flush was refused")
        return lines[first + 1:]

    def test_in_mid_load_nothing_acknowledged_is_lost(self):
        server = self.fresh_server("--durability", "full", fast=False)
        ledger = Ledger(self, self.queue)
        for number in (1, 2, 7):
            load = Load(server, self.queue, number)
            wait_until(load.is_in_full_swing, timeout=60)
            calls = self.fail_flush(server, number)
            wait_until(lambda: load.refused, timeout=60, what="a 503")
            self.await_unready(server)
            self.assertEqual(server.program.wait(), EXIT_FAILED, server.program.log())
            load.end()
            server.program.assert_clean()
            self.assertIn("acknowledges nothing any more", server.program.log())
            flushes = [line for line in self.lines_after_the_fault(calls) if re.search(r"(fsync|fdatasync)\(", line)]
            self.assertEqual(flushes, [], "a flush after the one that failed proves nothing")
            ledger.add(load)
            self.start_again(server, ledger)
        server.stop()

    def test_a_lone_caller_is_told(self):
        server = self.fresh_server("--durability", "full", "--sweep-interval", "1m", fast=False)
        api = self.client_of(server)
        ledger = Ledger(self, self.queue)
        ledger.made.append(api.enqueue(type="t", queue=self.queue)["id"])
        self.fail_flush(server, 3)
        statuses = []
        while len(statuses) < 50 and 503 not in statuses:
            reply = api.post("/jobs", {"type": "t", "queue": self.queue})
            statuses.append(reply.status)
            if reply.status == 201:
                ledger.made.append(reply.json["id"])
        self.assertEqual(statuses, [201, 201, 503])
        self.assertEqual(reply.slug, "unavailable")
        self.await_unready(server)
        self.assertEqual(server.program.wait(), EXIT_FAILED, server.program.log())
        self.start_again(server, ledger)
        server.stop()


if __name__ == "__main__":
    unittest.main()
