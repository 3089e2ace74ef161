# SPDX-License-Identifier: MIT
"""Workers that die, freeze, or lose their server: each job is done in the end, and no stale report counts."""
import signal
import time
import unittest

from lossy import LossyProxy
from waiting import wait_until
from workcase import FreshWorkCase, WorkCase, wait_for

QUICK = {"lease_ms": 1000, "backoff": {"base_ms": 0}}


class AWorkerDies(WorkCase):
    def test_its_jobs_are_done_by_the_other(self):
        first = self.worker("--concurrency", 3)
        jobs = [self.http_job("/hold/x", QUICK, timeout_ms=120000) for _ in range(3)]
        wait_until(lambda: self.service.running == 3)
        first.kill()
        self.service.let_go(3)
        second = self.worker("--concurrency", 3)
        wait_until(lambda: self.service.started == 6, timeout=60)
        self.service.let_go(3)
        for job in jobs:
            shown = self.wait_for(job)
            self.assertEqual((shown["state"], shown["worker"], shown["version"]), ("succeeded", second.id, 5))
            self.assertEqual([(one["outcome"], one["worker"]) for one in shown["attempts"]],
                             [("lost", first.id), ("succeeded", second.id)])

    def test_a_worker_frozen_past_its_lease_has_its_report_refused(self):
        frozen = self.worker("--concurrency", 1)
        job = self.http_job("/hold/x", QUICK, timeout_ms=120000)
        wait_until(lambda: self.service.running == 1)
        frozen.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: self.api.job(job["id"])["attempts"], what="the loss of the lease")
            other = self.worker("--concurrency", 1)
            wait_until(lambda: self.service.started == 2, timeout=60)
            self.service.let_go(2)
            shown = self.wait_for(job)
            other.stop()
        finally:
            frozen.send_signal(signal.SIGCONT)
        self.assertEqual((shown["state"], shown["worker"], shown["version"]), ("succeeded", other.id, 5))
        # The frozen one is done with it, and works on.
        self.assertEqual(self.wait_for(self.sleep_job(1))["worker"], frozen.id)
        self.assertEqual(self.api.job(job["id"]), shown)
        self.assertEqual([one["outcome"] for one in shown["attempts"]], ["lost", "succeeded"])


class TheServerIsAway(FreshWorkCase):
    outage_seconds = 10

    def test_no_finished_result_is_lost(self):
        server = self.fresh_server()
        worker = self.worker_of(server, "--concurrency", 4)
        api = self.client_of(server)
        body = {"type": "http", "queue": self.queue, "payload": {"url": self.service.url + "/hold/x", "timeout_ms": 120000}}
        jobs = api.enqueue_many([body] * 4)
        wait_until(lambda: self.service.running == 4)
        server.kill()
        self.service.let_go(4)
        wait_until(lambda: self.service.running == 0)
        back_at = time.monotonic() + self.outage_seconds
        wait_until(lambda: time.monotonic() > back_at or not worker.program.is_running(), timeout=60)
        self.assertTrue(worker.program.is_running(), worker.log())
        server.restart_at_same_port()
        api = self.client_of(server)
        for job in jobs:
            shown = wait_for(api, job, timeout=90)
            self.assertEqual((shown["state"], shown["attempt"], shown["version"], shown["result"]["body"]), ("succeeded", 1, 3, "held"))
        self.assertEqual(self.service.started, 4)
        worker.stop()
        server.stop()


class AnswersAreLost(WorkCase):
    """Requests that were carried out and whose answers never came: asked again, they change nothing more."""

    def test_each_job_is_done_once(self):
        proxy = LossyProxy(self.server.url, every=4)
        self.addCleanup(proxy.close)
        body = {"type": "http", "queue": self.queue, "payload": {"url": self.service.url + "/echo"}}
        jobs = self.api.enqueue_many([body] * 40)
        worker = self.worker("--concurrency", 2, server=proxy.url)
        wait_until(lambda: self.count("succeeded") == len(jobs), timeout=240)
        self.assertGreater(proxy.lost, 3)
        proxy.every = 0
        worker.stop()
        shown = [self.api.job(job["id"]) for job in jobs]
        self.assertEqual({(job["attempt"], job["version"]) for job in shown}, {(1, 3)})
        self.assertEqual(self.service.started, len(jobs))


if __name__ == "__main__":
    unittest.main()
