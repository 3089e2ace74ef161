# SPDX-License-Identifier: MIT
"""A worker's slots: never more jobs at once than it has, never fewer while work waits, each free as soon as its job has ended."""
import time
import unittest

from parallel import Task
from waiting import wait_until
from workcase import WorkCase


class Concurrency(WorkCase):
    def fill_and_drain(self, slots):
        """Calls that are held: each one let go makes room for exactly one more, until none is left."""
        total = 3 * slots
        body = {"type": "http", "queue": self.queue, "payload": {"url": self.service.url + "/hold/x", "timeout_ms": 120000}}
        self.api.enqueue_many([body] * total)
        self.worker("--concurrency", slots)
        wait_until(lambda: self.service.running == slots, timeout=60, what=f"{slots} calls at once")
        self.assertEqual(self.count("running"), slots)
        step = max(1, slots // 4)
        for let_go in range(step, total - slots + 1, step):
            self.service.let_go(step)
            wait_until(lambda count=slots + let_go: self.service.started == count, timeout=60, what="as many new calls as were let go")
            wait_until(lambda: self.service.running == slots)
            self.assertLessEqual(self.count("running"), slots)
        self.service.let_go(total)
        wait_until(lambda: self.count("succeeded") == total, timeout=60)
        self.assertEqual((self.service.most, self.service.started), (slots, total))

    def test_with_1_slot(self):
        self.fill_and_drain(1)

    def test_with_8_slots(self):
        self.fill_and_drain(8)

    def test_with_64_slots(self):
        self.fill_and_drain(64)

    def test_the_running_jobs_seen_from_outside_reach_the_slots_and_never_pass_them(self):
        for slots in (1, 8, 64):
            with self.subTest(slots=slots):
                body = {"type": "sleep", "queue": self.queue, "payload": {"duration_ms": 400}}
                self.api.enqueue_many([body] * (3 * slots))
                done = self.count("succeeded") + 3 * slots
                worker = self.worker("--concurrency", slots)
                seen = []

                def all_done():
                    seen.append(len(self.api.jobs(queue=self.queue, state="running", limit=1000)))
                    return self.count("succeeded") == done

                wait_until(all_done, timeout=60)
                worker.stop()
                self.assertEqual(max(seen), slots)


class OneBlocks(WorkCase):
    def test_a_handler_that_blocks_does_not_hold_the_others_up(self):
        self.worker("--concurrency", 2)
        blocked = self.http_job("/hold/x", timeout_ms=120000)
        wait_until(lambda: self.service.running == 1)
        others = [self.sleep_job(1) for _ in range(20)]
        for job in others:
            self.wait_for(job, "succeeded")
        self.assertEqual(self.api.job(blocked["id"])["state"], "running")
        self.service.let_go()
        self.wait_for(blocked, "succeeded")


class ASlotIsFree(WorkCase):
    """One slot, a job that would sleep for an hour, another that waits: the other is done, so the slot was free."""

    def setUp(self):
        super().setUp()
        self.worker("--concurrency", 1)

    def long_job(self, **fields):
        job = self.sleep_job(3600000, lease_ms=3000, **fields)
        self.wait_for(job, "running")
        return job, self.sleep_job(1)

    def test_after_a_cancel(self):
        job, other = self.long_job()
        self.api.cancel(job["id"])
        self.wait_for(other, "succeeded")
        self.assertEqual(self.wait_for(job)["state"], "canceled")

    def test_after_its_lease_is_lost(self):
        job, other = self.long_job()
        # Somebody else ends the attempt: the worker learns of it at its next heartbeat.
        self.api.succeed({"id": job["id"], "version": 2}, result="by another hand")
        self.wait_for(other, "succeeded")
        shown = self.api.job(job["id"])
        self.assertEqual((shown["state"], shown["version"], shown["result"]), ("succeeded", 3, "by another hand"))

    def test_after_a_time_out(self):
        job, other = self.long_job(timeout_ms=1500, max_attempts=1)
        self.wait_for(other, "succeeded")
        shown = self.wait_for(job)
        self.assertEqual((shown["state"], shown["error"]["code"]), ("failed", "timeout"))
        self.assertEqual([one["outcome"] for one in shown["attempts"]], ["timed_out"])

    def test_after_a_cancel_of_an_http_call_under_way(self):
        self.assertEqual(self.service.running, 0)
        job = self.http_job("/hold/x", {"lease_ms": 3000}, timeout_ms=120000)
        wait_until(lambda: self.service.running == 1)
        other = self.sleep_job(1)
        self.api.cancel(job["id"])
        self.wait_for(other, "succeeded")
        self.assertEqual(self.wait_for(job)["state"], "canceled")


class Leases(WorkCase):
    def test_a_job_longer_than_its_lease_is_kept_by_heartbeats(self):
        self.worker("--concurrency", 1)
        job = self.sleep_job(4000, lease_ms=1000)
        shown = self.wait_for(job)
        self.assertEqual((shown["state"], shown["attempt"], shown["version"]), ("succeeded", 1, 3))
        self.assertGreaterEqual(shown["result"]["slept_ms"], 4000)

    def test_a_job_starts_at_once_on_an_idle_worker(self):
        self.worker()
        best = 1e9
        self.wait_for(self.sleep_job(0), "succeeded")
        for _ in range(5):
            asked = time.monotonic()
            job = self.sleep_job(0)
            wait_until(lambda made=job: self.api.job(made["id"])["state"] == "succeeded", step=0.002)
            best = min(best, time.monotonic() - asked)
        self.assertLess(best, 0.25)


class Types(WorkCase):
    def test_two_workers_with_different_types_share_a_queue(self):
        root = self.folder / "root"
        root.mkdir()
        with_files = self.worker("--file-root", root)
        without = self.worker()
        jobs = self.api.enqueue_many([{"type": ("file", "sleep")[i % 2], "queue": self.queue,
                                       "payload": ({"op": "write", "path": f"f{i}", "content": "x"}, {"duration_ms": 20})[i % 2]}
                                      for i in range(60)])
        shown = [self.wait_for(job) for job in jobs]
        self.assertEqual({job["state"] for job in shown}, {"succeeded"})
        self.assertEqual({job["worker"] for job in shown if job["type"] == "file"}, {with_files.id})
        self.assertIn(without.id, {job["worker"] for job in shown if job["type"] == "sleep"})
        self.assertEqual({job["attempt"] for job in shown}, {1})

    def test_a_type_that_no_worker_has_stays_queued_and_holds_nobody_up(self):
        strange = [self.enqueue(type="strange", priority=9) for _ in range(5)]
        self.worker("--concurrency", 1)
        self.wait_for(self.sleep_job(1), "succeeded")
        self.assertEqual([self.api.job(job["id"])["version"] for job in strange], [1] * 5)

    def test_queues_are_served_in_the_order_given(self):
        other = self.queue + "-low"
        low = [self.api.enqueue(queue=other, type="sleep", payload={"duration_ms": 1}, priority=1000) for _ in range(5)]
        high = [self.sleep_job(1) for _ in range(5)]
        self.worker("--queue", other, "--concurrency", 1)
        started = {job["id"]: self.wait_for(job)["started_at"] for job in low + high}
        self.assertLessEqual(max(started[job["id"]] for job in high), min(started[job["id"]] for job in low))

    def test_many_workers_do_each_job_once(self):
        for _ in range(4):
            self.worker("--concurrency", 4)
        body = {"type": "sleep", "queue": self.queue, "payload": {"duration_ms": 1}}
        tasks = [Task(lambda: self.server.client().enqueue_many([body] * 100)) for _ in range(4)]
        jobs = [job for task in tasks for job in task.result()]
        wait_until(lambda: self.count("succeeded") == len(jobs), timeout=60)
        versions = {job["version"] for job in self.api.all_jobs(queue=self.queue, limit=1000)}
        self.assertEqual(versions, {3})


if __name__ == "__main__":
    unittest.main()
