# SPDX-License-Identifier: MIT
"""Every legal move of a job, and every illegal one refused with nothing changed."""
import unittest

from harness import ServerCase
from shape import check_job, milliseconds

STATES = ("queued", "scheduled", "running", "succeeded", "failed", "canceled")
ENDED = ("succeeded", "failed", "canceled")


class LegalMoves(ServerCase):
    def release(self, job, **more):
        return check_job(self.api.expect(200, "POST", f"/jobs/{job['id']}/release", {"version": job["version"], **more}).json)

    def test_queued_and_scheduled_jobs_are_canceled_at_once(self):
        for fields in ({}, {"delay_ms": 100000}):
            made = self.enqueue(**fields)
            after = check_job(self.api.cancel(made["id"]))
            self.assertEqual((after["state"], after["version"]), ("canceled", 2))
            self.assertEqual(after["finished_at"], after["updated_at"])
        self.assertIsNone(self.claim())

    def test_a_running_job_is_asked_to_cancel_and_may_be_asked_again(self):
        job = self.started()
        for _ in range(2):
            after = check_job(self.api.cancel(job["id"]))
            self.assertEqual((after["state"], after["version"], after["cancel_requested"]), ("running", 2, True))
            self.assertEqual(after["updated_at"], job["updated_at"])

    def test_a_job_asked_to_cancel_ends_canceled_unless_it_succeeds(self):
        for end, state in ((lambda job: self.api.fail(job), "canceled"), (lambda job: self.api.fail(job, retry=False), "canceled"),
                           (lambda job: self.api.fail(job, retry_in_ms=0), "canceled"), (self.release, "canceled"),
                           (lambda job: self.release(job, delay_ms=5000), "canceled"), (self.api.succeed, "succeeded")):
            job = self.started()
            self.api.cancel(job["id"])
            after = check_job(end(job))
            self.assertEqual((after["state"], after["version"]), (state, 3))

    def test_a_release_gives_the_attempt_back(self):
        job = self.started()
        after = self.release(job)
        self.assertEqual((after["state"], after["version"], after["attempt"]), ("queued", 3, 0))
        self.assertEqual(after["run_at"], job["run_at"])
        again = self.claim()
        self.assertEqual((again["attempt"], again["version"]), (1, 4))
        attempts = self.api.job(job["id"])["attempts"]
        self.assertEqual([(one["attempt"], one["outcome"]) for one in attempts], [(1, "released")])

    def test_a_release_with_a_delay_is_due_so_much_later(self):
        after = self.release(self.started(), delay_ms=600000)
        self.assertEqual((after["state"], after["attempt"]), ("scheduled", 0))
        self.assertEqual(milliseconds(after["run_at"]) - milliseconds(after["updated_at"]), 600000)
        after = self.release(self.started(), delay_ms=0)
        self.assertEqual(after["state"], "queued")

    def test_releases_without_end_use_no_attempt_up(self):
        self.enqueue(max_attempts=1)
        for _ in range(5):
            job = self.claim()
            self.assertEqual(job["attempt"], 1)
            self.release(job)

    def test_a_retry_makes_an_ended_job_as_good_as_new(self):
        for state in ENDED:
            with self.subTest(state=state):
                job = self.started(priority=7, run_at="2020-01-01T00:00:00Z")
                self.api.expect(200, "POST", f"/jobs/{job['id']}/heartbeat",
                                {"version": job["version"], "log": "kept", "progress": {"percent": 9}})
                if state == "succeeded":
                    ended = self.api.succeed(job, result=[1])
                elif state == "failed":
                    ended = self.api.fail(job, retry=False)
                else:
                    self.api.cancel(job["id"])
                    ended = self.api.fail(job)
                self.assertEqual(ended["state"], state)
                after = check_job(self.api.retry(job["id"]))
                self.assertEqual((after["state"], after["version"], after["attempt"], after["priority"], after["cancel_requested"]),
                                 ("queued", 4, 0, 7, False))
                for name in ("result", "error", "progress", "finished_at"):
                    self.assertIsNone(after.get(name), name)
                self.assertEqual(after["run_at"], after["updated_at"])
                shown = self.api.job(job["id"])
                self.assertEqual((shown["log"], len(shown["attempts"])), ("kept", 1))
                self.assertEqual(self.claim()["attempt"], 1)

    def test_a_job_that_never_ran_can_be_retried_after_its_cancel(self):
        made = self.enqueue(delay_ms=100000)
        self.api.cancel(made["id"])
        after = self.api.retry(made["id"])
        self.assertEqual((after["state"], after["version"]), ("queued", 3))

    def test_cancel_and_retry_take_an_empty_object_and_nothing_else(self):
        made = self.enqueue()
        for verb in ("cancel", "retry"):
            path = f"/jobs/{made['id']}/{verb}"
            self.refused(422, "invalid", "POST", path, {"reason": "x"})
            self.assertEqual(self.api.send("POST", path, b"[]").status, 422)
            self.assertEqual(self.api.send("POST", path, b"{").status, 400)
            self.assertEqual(self.api.send("POST", path, b"{}", {"Content-Type": "text/plain"}).status, 415)
            self.api.expect(200, "POST", path, {})


class IllegalMoves(ServerCase):
    def job_in(self, state):
        if state == "queued":
            return self.enqueue()
        if state == "scheduled":
            return self.enqueue(delay_ms=1000000)
        if state == "running":
            return self.started()
        return self.ended(state)

    def refuse(self, state, status, slug, method, verb, body=None):
        # A queue of its own for each, so that a claim gets the right job.
        self.queue = f"{self.queue[:20]}-{state}-{verb}"
        job = self.job_in(state)
        before = self.api.job(job["id"])
        if callable(body):
            body = body(before["version"])
        path = f"/jobs/{job['id']}" + (f"/{verb}" if verb else "")
        with self.subTest(state=state, verb=verb, body=body):
            self.refused(status, slug, method, path, body)
            self.assert_unchanged(before)

    def test_only_a_running_job_takes_reports_beats_and_releases(self):
        for state in STATES:
            if state != "running":
                self.refuse(state, 409, "stale-version", "POST", "complete", lambda v: {"version": v, "status": "succeeded"})
                self.refuse(state, 409, "stale-version", "POST", "heartbeat", lambda v: {"version": v, "log": "x"})
                self.refuse(state, 409, "stale-version", "POST", "release", lambda v: {"version": v})

    def test_a_stale_version_of_a_running_job_is_refused_everywhere(self):
        for body in (lambda v: {"version": v - 1}, lambda v: {"version": v + 1}):
            self.refuse("running", 409, "stale-version", "POST", "release", body)
            self.refuse("running", 409, "stale-version", "POST", "heartbeat", body)

    def test_an_ended_job_cannot_be_canceled(self):
        for state in ENDED:
            self.refuse(state, 409, "conflict", "POST", "cancel")

    def test_only_an_ended_job_can_be_retried(self):
        for state in ("queued", "scheduled", "running"):
            self.refuse(state, 409, "conflict", "POST", "retry")

    def test_only_an_ended_job_can_be_deleted(self):
        for state in ("queued", "scheduled", "running"):
            self.refuse(state, 409, "conflict", "DELETE", "")

    def test_a_wrong_release_changes_nothing(self):
        for body in ({}, {"version": "2"}, {"version": 2, "delay_ms": -1}, {"version": 2, "delay_ms": 31536000001},
                     {"version": 2, "delay_ms": 1.5}, {"version": 2, "why": "x"}):
            self.refuse("running", 422, "invalid", "POST", "release", body)

    def test_moves_of_a_job_that_is_not_there_are_not_found(self):
        for method, verb, body in (("POST", "/cancel", None), ("POST", "/retry", None), ("POST", "/release", {"version": 1}),
                                   ("DELETE", "", None)):
            self.refused(404, "not-found", method, f"/jobs/999999999{verb}", body)


if __name__ == "__main__":
    unittest.main()
