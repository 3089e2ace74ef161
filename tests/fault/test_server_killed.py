# SPDX-License-Identifier: MIT
"""kill -9 of the server in mid-load, ten times over: every job that was acknowledged is found again, every report stays."""
import os
import sqlite3
import unittest

from harness import FreshServerCase
from traffic import Ledger, Load
from waiting import wait_until

ROUNDS = 10


class KilledInMidLoad(FreshServerCase):
    def test_every_acknowledged_job_and_report_is_found_again(self):
        server = self.fresh_server(fast=False)
        ledger = Ledger(self, self.queue)
        for number in range(ROUNDS):
            load = Load(server, self.queue, number)
            wait_until(load.is_in_full_swing, timeout=60)
            server.kill()
            load.end()
            self.assertEqual(load.refused, [])
            ledger.add(load)
            server.start()
            ledger.check(self.client_of(server))
        server.stop()
        if "TASKQ_TEST_DB" not in os.environ:
            database = sqlite3.connect(f"file:{server.db}?mode=ro", uri=True)
            self.addCleanup(database.close)
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")

    def test_what_was_leased_when_it_died_is_done_once_its_lease_is_over(self):
        server = self.fresh_server("--sweep-interval", "50ms")
        api = self.client_of(server)
        made = api.enqueue_many([{"type": "t", "queue": self.queue, "lease_ms": 1000, "backoff": {"base_ms": 0}}] * 20)
        self.assertEqual(len(api.claim_many(self.queue, 20, worker="gone")), 20)
        server.kill()
        server.start()
        api, seen = self.client_of(server), []
        while len(seen) < 20:
            jobs = api.claim_many(self.queue, 20, wait=30)
            seen += [(job["id"], job["attempt"]) for job in jobs]
        self.assertEqual(sorted(seen), [(job["id"], 2) for job in made])
        server.stop()


if __name__ == "__main__":
    unittest.main()
