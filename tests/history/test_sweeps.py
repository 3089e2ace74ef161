# SPDX-License-Identifier: MIT
"""Three servers that sweep at once: 10,000 leases lost and 10,000 jobs that become due are each moved exactly once."""
import datetime
import time
import unittest

from parallel import at_once
from runs import ClusterCase
from waiting import wait_until

JOBS = 10000
LEASE_MS = 1000
LATER_MS = 3600000  # a lost job is not ready again before the test ends


class ThreeSweepers(ClusterCase):
    def setUp(self):
        super().setUp()
        self.lost, self.due = self.queue + "-lost", self.queue + "-due"
        self.start_cluster()
        self.api = self.servers[0].client()
        self.addCleanup(self.api.close)

    def fill(self, queue, **fields):
        for _ in range(JOBS // 1000):
            self.api.enqueue_many([{"type": "t", "queue": queue, **fields}] * 1000)

    def states(self, queue):
        return {state: count for state, count in self.api.queue(queue)["counts"].items() if count}

    def claim_all(self):
        def work(number):
            client, count = self.servers[number % 3].client(), 0
            while jobs := client.claim_many(self.lost, 100, worker=f"w{number}"):
                count += len(jobs)
            client.close()
            return count

        self.assertEqual(sum(at_once(6, work)), JOBS)

    def test_each_lost_lease_and_each_due_job_is_moved_exactly_once(self):
        self.fill(self.lost, lease_ms=LEASE_MS, backoff={"base_ms": LATER_MS})
        self.claim_all()
        when = time.time() + 3
        self.fill(self.due, run_at=datetime.datetime.fromtimestamp(when, datetime.timezone.utc).isoformat(timespec="milliseconds"))
        for server in self.servers:
            server.kill()
        wait_until(lambda: time.time() > when, what="the time when all are due")  # by now every lease is over, too
        for server in self.servers:
            server.start()
        wait_until(lambda: self.states(self.lost) == {"scheduled": JOBS}, timeout=60, what="every lease lost")
        wait_until(lambda: self.states(self.due) == {"queued": JOBS}, timeout=60, what="every job due")
        lost = self.api.all_jobs(queue=self.lost, limit=1000)
        self.assertEqual({(job["version"], job["state"], job["attempt"], job["error"]["code"]) for job in lost}, {(3, "scheduled", 1, "lost")})
        self.assertEqual(len(lost), JOBS)
        due = self.api.all_jobs(queue=self.due, limit=1000)
        self.assertEqual(({(job["version"], job["state"]) for job in due}, len(due)), ({(2, "queued")}, JOBS))
        for job in lost[::500]:
            self.assertEqual([row["outcome"] for row in self.api.job(job["id"])["attempts"]], ["lost"])


if __name__ == "__main__":
    unittest.main()
