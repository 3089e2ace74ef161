# SPDX-License-Identifier: MIT
"""Heartbeats: leases renewed, progress and log kept, the version left alone."""
import unittest

from harness import ServerCase
from shape import check_job, is_time, milliseconds
from waiting import wait_until

LOG_BYTES_MAX = 65536


class AHeartbeat(ServerCase):
    def beat(self, job, **body):
        return self.api.expect(200, "POST", f"/jobs/{job['id']}/heartbeat", {"version": job["version"], **body}).json

    def test_it_renews_the_lease_and_leaves_the_version_alone(self):
        job = self.started(lease_ms=50000)

        def renewed():
            answer = self.beat(job)
            self.assertEqual((answer["cancel_requested"], answer["quiet"]), (False, False))
            self.assertTrue(is_time(answer["lease_expires_at"]))
            return answer["lease_expires_at"] if answer["lease_expires_at"] > job["lease_expires_at"] else None

        until = wait_until(renewed)
        shown = check_job(self.api.job(job["id"]), details=True)
        self.assertEqual((shown["version"], shown["updated_at"]), (2, job["updated_at"]))
        self.assert_unchanged({**shown, "lease_expires_at": until})

    def test_it_says_that_a_cancel_was_asked_for(self):
        job = self.started()
        self.assertFalse(self.beat(job)["cancel_requested"])
        self.api.cancel(job["id"])
        self.assertTrue(self.beat(job)["cancel_requested"])

    def test_progress_is_kept_and_cleared_at_the_next_claim(self):
        job = self.started()
        self.beat(job, progress={"percent": 12.5, "message": "copying"})
        self.assertEqual(self.api.job(job["id"])["progress"], {"percent": 12.5, "message": "copying"})
        self.beat(job)
        self.assertEqual(self.api.job(job["id"])["progress"]["percent"], 12.5)
        self.beat(job, progress={"percent": 100})
        self.assertEqual(self.api.job(job["id"])["progress"]["percent"], 100)
        self.api.fail(job, retry_in_ms=0)
        self.assertIsNone(self.claim().get("progress"))

    def test_the_log_is_appended_and_spans_the_attempts(self):
        job = self.started()
        self.beat(job, log="one\n")
        self.beat(job, log="two \u00e9\u0000\n")
        self.api.fail(job, retry_in_ms=0)
        self.beat(self.claim(), log="three\n")
        self.assertEqual(self.api.job(job["id"])["log"], "one\ntwo \u00e9\u0000\nthree\n")
        self.assertNotIn("log", self.api.jobs(queue=self.queue)[0])

    def test_of_a_long_log_the_last_64_kib_are_kept(self):
        job = self.started()
        for number in range(10):
            self.beat(job, log=f"{number}" * 10000)
        log = self.api.job(job["id"])["log"]
        self.assertEqual(log, "".join(f"{number}" * 10000 for number in range(10))[-LOG_BYTES_MAX:])
        self.beat(job, log="x" + "é" * 40000)
        log = self.api.job(job["id"])["log"]
        self.assertEqual(set(log), {"é"})
        self.assertIn(len(log.encode()), (LOG_BYTES_MAX, LOG_BYTES_MAX - 1))

    def test_a_stale_version_changes_nothing(self):
        job = self.started()
        before = self.api.job(job["id"])
        for version in (1, 3):
            self.refused(409, "stale-version", "POST", f"/jobs/{job['id']}/heartbeat",
                         {"version": version, "log": "no", "progress": {"percent": 1}})
        self.assert_unchanged(before)

    def test_a_wrong_body_changes_nothing(self):
        job = self.started()
        before = self.api.job(job["id"])
        for body in ({}, {"version": "2"}, {"version": 2, "log": 5}, {"version": 2, "progress": 5}, {"version": 2, "colour": 1},
                     {"version": 2, "progress": {"percent": "5"}}, {"version": 2, "progress": {"percent": 101}},
                     {"version": 2, "progress": {"percent": -1}}, {"version": 2, "progress": {"message": 5}},
                     {"version": 2, "progress": {"percents": 5}}):
            with self.subTest(body=body):
                self.refused(422, "invalid", "POST", f"/jobs/{job['id']}/heartbeat", body)
        self.assert_unchanged(before)

    def test_a_job_that_does_not_run_has_no_lease(self):
        made = self.enqueue()
        self.refused(409, "stale-version", "POST", f"/jobs/{made['id']}/heartbeat", {"version": 1})
        self.refused(404, "not-found", "POST", "/jobs/999999999/heartbeat", {"version": 1})


class ManyHeartbeats(ServerCase):
    def test_each_stands_alone(self):
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 3)
        jobs = self.api.claim_many(self.queue, 3)
        a, b, c = (job["id"] for job in jobs)
        self.api.cancel(b)
        beats = [{"id": a, "version": 2, "progress": {"percent": 5}, "log": "a"}, {"id": b, "version": 2}, {"id": c, "version": 9},
                 {"id": 999999999, "version": 2}]
        found = self.api.expect(200, "POST", "/jobs/heartbeat", {"heartbeats": beats}).json["results"]
        self.assertEqual([(one["id"], one["status"]) for one in found], [(a, 200), (b, 200), (c, 409), (999999999, 404)])
        self.assertEqual([one["cancel_requested"] for one in found[:2]], [False, True])
        self.assertTrue(all(is_time(one["lease_expires_at"]) for one in found[:2]))
        self.assertEqual((self.api.job(a)["log"], self.api.job(a)["progress"]["percent"]), ("a", 5))

    def test_a_request_that_is_wrong_is_refused(self):
        job = self.started()
        good = {"id": job["id"], "version": 2}
        for body in ({}, {"heartbeats": []}, {"heartbeats": 5}, {"heartbeats": [good] * 1001}, {"heartbeats": [good], "x": 1},
                     {"heartbeats": [{"version": 2}]}, {"heartbeats": [{**good, "id": "1"}]}, {"heartbeats": [5]}):
            with self.subTest(body=str(body)[:100]):
                self.refused(422, "invalid", "POST", "/jobs/heartbeat", body)

    def test_a_thousand_fit(self):
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 1000)
        jobs = [job for _ in range(10) for job in self.api.claim_many(self.queue, 100)]
        beats = {"heartbeats": [{"id": job["id"], "version": 2} for job in jobs]}
        found = self.api.expect(200, "POST", "/jobs/heartbeat", beats).json["results"]
        self.assertEqual({one["status"] for one in found}, {200})
        self.assertGreaterEqual(min(milliseconds(one["lease_expires_at"]) for one in found), milliseconds(jobs[-1]["lease_expires_at"]))


if __name__ == "__main__":
    unittest.main()
