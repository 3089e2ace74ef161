# SPDX-License-Identifier: MIT
"""What time does to jobs: lost leases, time-outs, retention; and what a restart does not."""
import time
import unittest

from harness import FreshServerCase, ServerCase, assert_same
from shape import check_job
from waiting import wait_until


class Attempts(ServerCase):
    server_arguments = ("--sweep-interval", "50ms")

    def after_sweep(self, job):
        """The job once its attempt has been ended by the sweep."""
        return wait_until(lambda: (found := self.api.job(job["id"]))["version"] > job["version"] and check_job(found, details=True),
                          what="the end of the attempt")

    def test_a_lost_lease_ends_the_attempt(self):
        job = self.started(lease_ms=1000, backoff={"base_ms": 3600000})
        after = self.after_sweep(job)
        self.assertEqual((after["state"], after["version"], after["attempt"], after["error"]["code"]), ("scheduled", 3, 1, "lost"))
        self.assertEqual([(one["attempt"], one["outcome"]) for one in after["attempts"]], [(1, "lost")])

    def test_a_time_out_ends_the_attempt(self):
        job = self.started(timeout_ms=100, backoff={"base_ms": 3600000})
        after = self.after_sweep(job)
        self.assertEqual((after["state"], after["error"]["code"]), ("scheduled", "timeout"))
        self.assertEqual([one["outcome"] for one in after["attempts"]], ["timed_out"])

    def test_where_both_are_over_it_is_timed_out(self):
        job = self.started(timeout_ms=1000, lease_ms=1000, backoff={"base_ms": 3600000})
        self.assertEqual(self.after_sweep(job)["attempts"][0]["outcome"], "timed_out")

    def test_no_heartbeat_extends_the_timeout(self):
        job = self.started(timeout_ms=1500, lease_ms=60000, backoff={"base_ms": 3600000})

        def refused():
            body = {"version": job["version"]}
            return self.api.call("POST", f"/jobs/{job['id']}/heartbeat", body).status == 409

        wait_until(refused)
        self.assertEqual(self.after_sweep(job)["attempts"][0]["outcome"], "timed_out")

    def test_heartbeats_keep_a_lease_past_its_first_end(self):
        job = self.started(lease_ms=3000)
        ends = time.monotonic() + 4.5

        def over():
            self.api.expect(200, "POST", f"/jobs/{job['id']}/heartbeat", {"version": job["version"]})
            return time.monotonic() > ends

        wait_until(over)
        self.assertEqual(self.api.succeed(job)["state"], "succeeded")

    def test_without_a_backoff_it_is_queued_at_once_and_given_to_a_held_poll(self):
        job = self.started(lease_ms=1000, backoff={"base_ms": 0})
        again = self.claim(wait=30)
        self.assertEqual((again["id"], again["attempt"], again["version"]), (job["id"], 2, 4))

    def test_the_last_attempt_lost_or_timed_out_fails_the_job(self):
        for fields, code in (({"lease_ms": 1000}, "lost"), ({"timeout_ms": 100}, "timeout")):
            with self.subTest(code=code):
                after = self.after_sweep(self.started(max_attempts=1, **fields))
                self.assertEqual((after["state"], after["error"]["code"]), ("failed", code))

    def test_a_job_asked_to_cancel_is_canceled_by_loss_and_time_out(self):
        for fields in ({"lease_ms": 1000}, {"timeout_ms": 100}):
            job = self.started(backoff={"base_ms": 0}, **fields)
            self.api.cancel(job["id"])
            self.assertEqual(self.after_sweep(job)["state"], "canceled")

    def test_a_late_report_is_stale_and_changes_nothing(self):
        job = self.started(lease_ms=1000, backoff={"base_ms": 3600000})
        before = self.after_sweep(job)
        for verb, body in (("complete", {"status": "succeeded"}), ("complete", {"status": "failed"}), ("heartbeat", {}), ("release", {})):
            self.refused(409, "stale-version", "POST", f"/jobs/{job['id']}/{verb}", {"version": job["version"], **body})
        self.assert_unchanged(before)

    def test_a_poll_asked_again_does_not_bring_a_lost_lease_back(self):
        self.enqueue(lease_ms=1000, backoff={"base_ms": 3600000})
        self.after_sweep(self.claim(worker="w", poll="p"))
        self.assertIsNone(self.claim(worker="w", poll="p"))

    def test_a_due_job_becomes_queued_without_any_poll(self):
        made = self.enqueue(delay_ms=200)
        after = wait_until(lambda: (job := self.api.job(made["id"]))["state"] == "queued" and job)
        self.assertEqual((after["version"], after["run_at"]), (2, made["run_at"]))

    def test_five_hundred_lost_leases_are_all_swept(self):
        self.api.enqueue_many([{"type": "t", "queue": self.queue, "timeout_ms": 100, "max_attempts": 1}] * 500)
        jobs = [job for _ in range(5) for job in self.api.claim_many(self.queue, 100)]
        self.assertEqual(len(jobs), 500)
        wait_until(lambda: self.api.queue(self.queue)["counts"].get("failed") == 500, timeout=60)
        self.assertEqual({self.api.job(job["id"])["version"] for job in jobs[::50]}, {3})


class Retention(ServerCase):
    server_arguments = ("--sweep-interval", "50ms", "--retention", "1s", "--retention-failed", "7d")

    def is_gone(self, job):
        return self.api.get(f"/jobs/{job['id']}").status == 404

    def test_succeeded_and_canceled_jobs_go_and_failed_ones_stay(self):
        succeeded, failed, canceled = (self.ended(state) for state in ("succeeded", "failed", "canceled"))
        running = self.started()
        wait_until(lambda: self.is_gone(succeeded) and self.is_gone(canceled))
        self.assertEqual({self.api.job(job["id"])["state"] for job in (failed, running)}, {"failed", "running"})
        counts = self.api.queue(self.queue)["counts"]
        self.assertEqual({state: count for state, count in counts.items() if count}, {"failed": 1, "running": 1})


class RetentionOfFailures(ServerCase):
    server_arguments = ("--sweep-interval", "50ms", "--retention", "7d", "--retention-failed", "1s")

    def test_failed_jobs_go_and_succeeded_ones_stay(self):
        succeeded, failed = self.ended("succeeded"), self.ended("failed")
        wait_until(lambda: self.api.get(f"/jobs/{failed['id']}").status == 404)
        self.assertEqual(self.api.job(succeeded["id"])["state"], "succeeded")


class ARestart(FreshServerCase):
    def test_every_state_is_found_again_as_it_was(self):
        server = self.fresh_server()
        api = self.client_of(server)
        made = api.enqueue_many([{"type": "t", "queue": self.queue, "payload": {"n": i}} for i in range(6)])
        jobs = api.claim_many(self.queue, 5, worker="w")
        api.succeed(jobs[0], result={"r": 1})
        api.fail(jobs[1], retry=False)
        api.fail(jobs[2])
        api.cancel(jobs[3]["id"])
        api.expect(200, "POST", f"/jobs/{jobs[4]['id']}/heartbeat", {"version": 2, "progress": {"percent": 4}, "log": "l"})
        api.expect(200, "PATCH", f"/queues/{self.queue}", {"paused": True})
        before = [api.job(job["id"]) for job in made]
        for end in (server.stop, server.kill):
            end()
            server.start()
            api = self.client_of(server)
            shown = [api.job(job["id"]) for job in made]
            for old, new in zip(before, shown):
                if old["state"] != "scheduled":  # which may have become due meanwhile
                    assert_same(self, old, new)
            self.assertTrue(api.queue(self.queue)["paused"])
        self.assertEqual(api.succeed(jobs[4])["state"], "succeeded")
        server.stop()

    def test_a_lease_that_ran_out_while_the_server_was_away_is_lost(self):
        server = self.fresh_server("--sweep-interval", "50ms")
        api = self.client_of(server)
        api.enqueue(type="t", queue=self.queue, lease_ms=1000, backoff={"base_ms": 0})
        job = api.claim(self.queue)
        server.kill()
        server.start()
        again = self.client_of(server).claim(self.queue, wait=30)
        self.assertEqual((again["id"], again["attempt"]), (job["id"], 2))
        server.stop()


if __name__ == "__main__":
    unittest.main()
