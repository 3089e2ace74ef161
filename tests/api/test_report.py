# SPDX-License-Identifier: MIT
"""POST /jobs/{id}/complete: how an attempt ends, and what a wrong report changes: nothing."""
import unittest

from harness import ServerCase
from parallel import at_once
from shape import check_job, milliseconds


class AReport(ServerCase):
    def report(self, job, **body):
        return self.api.call("POST", f"/jobs/{job['id']}/complete", {"version": job["version"], **body})

    def test_success_ends_the_job_with_its_result(self):
        job = self.started()
        done = check_job(self.api.succeed(job, result={"answer": 42}))
        self.assertEqual((done["state"], done["version"], done["result"], done["attempt"]), ("succeeded", 3, {"answer": 42}, 1))
        self.assertEqual(done["finished_at"], done["updated_at"])

    def test_success_needs_no_result(self):
        for more in ({}, {"result": None}):
            done = self.api.succeed(self.started(), **more)
            self.assertIsNone(done.get("result"))

    def test_a_failure_waits_for_its_backoff(self):
        job = self.started(backoff={"base_ms": 60000, "jitter": 0})
        after = check_job(self.api.fail(job))
        self.assertEqual((after["state"], after["version"], after["attempt"]), ("scheduled", 3, 1))
        self.assertEqual(after["error"], {"code": "oops", "message": "it broke"})
        self.assertEqual(milliseconds(after["run_at"]) - milliseconds(after["updated_at"]), 60000)

    def test_the_backoff_grows_by_its_factor_up_to_its_bound(self):
        job = self.started(backoff={"base_ms": 100, "factor": 4, "max_ms": 500, "jitter": 0})
        for expected in (100, 400, 500, 500):
            after = self.api.fail(job)
            self.assertEqual(milliseconds(after["run_at"]) - milliseconds(after["updated_at"]), expected)
            job = self.claim(wait=30)

    def test_the_jitter_stays_within_its_bounds_and_is_drawn(self):
        delays = set()
        for _ in range(20):
            after = self.api.fail(self.started(backoff={"base_ms": 100000, "jitter": 0.5}))
            delay = milliseconds(after["run_at"]) - milliseconds(after["updated_at"])
            self.assertTrue(50000 <= delay <= 150000, delay)
            delays.add(delay)
        self.assertGreater(len(delays), 10)

    def test_a_base_of_nothing_is_ready_at_once(self):
        after = self.api.fail(self.started(backoff={"base_ms": 0}))
        self.assertEqual(after["state"], "queued")
        self.assertEqual(self.claim()["attempt"], 2)

    def test_retry_in_ms_takes_the_place_of_the_backoff(self):
        after = self.api.fail(self.started(), retry_in_ms=5000000)
        self.assertEqual(milliseconds(after["run_at"]) - milliseconds(after["updated_at"]), 5000000)
        after = self.api.fail(self.started(), retry_in_ms=0)
        self.assertEqual(after["state"], "queued")

    def test_retry_false_fails_for_good(self):
        after = check_job(self.api.fail(self.started(), retry=False))
        self.assertEqual((after["state"], after["version"]), ("failed", 3))

    def test_the_last_attempt_fails_for_good(self):
        job = self.started(max_attempts=2)
        self.assertEqual(self.api.fail(job, retry_in_ms=0)["state"], "queued")
        self.assertEqual(self.api.fail(self.claim(), retry=True, retry_in_ms=0)["state"], "failed")

    def test_success_takes_the_error_away(self):
        self.api.fail(self.started(), retry_in_ms=0)
        job = self.claim()
        self.assertEqual(job["error"]["code"], "oops")
        done = self.api.succeed(job)
        self.assertIsNone(done.get("error"))
        shown = self.api.job(done["id"])
        self.assertEqual([attempt["outcome"] for attempt in shown["attempts"]], ["failed", "succeeded"])

    def test_prefer_minimal_answers_with_three_fields(self):
        job = self.started()
        reply = self.api.expect(200, "POST", f"/jobs/{job['id']}/complete", {"version": 2, "status": "succeeded"},
                                {"Prefer": "return=minimal"})
        self.assertEqual(reply.json, {"id": job["id"], "version": 3, "state": "succeeded"})

    def test_an_error_is_cut_and_never_refused(self):
        trace = "\n".join(f"line {i}" for i in range(200))
        after = self.api.fail(self.started(), retry=False, error={"code": "é" * 300, "message": "ü" * 5000, "trace": trace})
        self.assertEqual(after["error"]["code"], "é" * 100)
        self.assertEqual(after["error"]["message"], "ü" * 1000)
        lines = after["error"]["trace"].splitlines()
        self.assertLessEqual(len(lines), 50)
        self.assertGreaterEqual(len(lines), 49)
        self.assertLessEqual(set(lines), set(trace.splitlines()))

    def test_a_wrong_version_is_stale_and_changes_nothing(self):
        job = self.started()
        before = self.api.job(job["id"])
        for version in (1, 3, 99, 2**62):
            for body in ({"status": "succeeded", "result": 1}, {"status": "failed"}):
                with self.subTest(version=version, body=body):
                    self.refused(409, "stale-version", "POST", f"/jobs/{job['id']}/complete", {"version": version, **body})
        self.assert_unchanged(before)

    def test_a_body_that_is_wrong_changes_nothing(self):
        job = self.started()
        before = self.api.job(job["id"])
        for body in ({}, {"version": 2}, {"status": "succeeded"}, {"version": "2", "status": "succeeded"}, {"version": 2.5, "status": "succeeded"},
                     {"version": 2, "status": "done"}, {"version": 2, "status": 1}, {"version": 2, "status": "running"},
                     {"version": 2, "status": "failed", "error": "x"}, {"version": 2, "status": "failed", "error": {"code": 5}},
                     {"version": 2, "status": "failed", "error": {"kode": "x"}}, {"version": 2, "status": "failed", "retry": "no"},
                     {"version": 2, "status": "failed", "retry_in_ms": -1}, {"version": 2, "status": "failed", "retry_in_ms": 1.5},
                     {"version": 2, "status": "succeeded", "colour": 1}, {"version": 2, "status": "succeeded", "id": job["id"]},
                     {"version": None, "status": "succeeded"}):
            with self.subTest(body=body):
                self.refused(422, "invalid", "POST", f"/jobs/{job['id']}/complete", body)
        self.assert_unchanged(before)

    def test_a_job_that_is_not_there_is_not_found(self):
        self.refused(404, "not-found", "POST", "/jobs/999999999/complete", {"version": 2, "status": "succeeded"})

    def test_a_result_past_the_bodys_limit_is_too_large_and_the_job_still_runs(self):
        job = self.started()
        reply = self.report(job, status="succeeded", result="x" * (1024 * 1024))
        self.assertEqual((reply.status, reply.slug), (413, "too-large"))
        self.assertEqual(self.api.job(job["id"])["state"], "running")


class TheSameReportAgain(ServerCase):
    def again(self, job, **body):
        return self.api.call("POST", f"/jobs/{job['id']}/complete", {"version": job["version"], **body})

    def test_a_success_is_taken_again_and_changes_nothing(self):
        job = self.started()
        first = self.api.succeed(job, result={"a": 1})
        again = self.again(job, status="succeeded", result={"a": 1})
        self.assertEqual((again.status, again.json), (200, first))

    def test_another_content_is_stale(self):
        job = self.started()
        self.api.succeed(job, result={"a": 1})
        before = self.api.job(job["id"])
        for body in ({"status": "succeeded", "result": {"a": 2}}, {"status": "succeeded"}, {"status": "failed"}):
            with self.subTest(body=body):
                reply = self.again(job, **body)
                self.assertEqual((reply.status, reply.slug), (409, "stale-version"), reply)
        self.assert_unchanged(before)

    def test_a_failure_is_taken_again_after_the_job_went_on(self):
        job = self.started()
        body = {"status": "failed", "error": {"code": "oops", "message": "it broke"}, "retry_in_ms": 0}
        self.assertEqual(self.again(job, **body).json["state"], "queued")
        self.assertEqual(self.again(job, **body).json["state"], "queued")
        second = self.claim()
        reply = self.again(job, **body)
        self.assertEqual((reply.status, reply.json["state"], reply.json["version"]), (200, "running", second["version"]))
        self.api.succeed(second)
        self.assertEqual(self.again(job, **body).json["state"], "succeeded")

    def test_eight_at_once_end_it_once(self):
        job = self.started()

        def one(_):
            client = self.server.client()
            try:
                return client.succeed(job, result=7)["version"]
            finally:
                client.close()

        self.assertEqual(at_once(8, one), [3] * 8)
        self.assertEqual(len(self.api.job(job["id"])["attempts"]), 1)

    def test_of_eight_different_ones_at_once_one_counts(self):
        job = self.started()

        def one(number):
            client = self.server.client()
            try:
                return client.call("POST", f"/jobs/{job['id']}/complete", {"version": 2, "status": "succeeded", "result": number}).status
            finally:
                client.close()

        statuses = at_once(8, one)
        self.assertEqual(sorted(statuses), [200] + [409] * 7)
        self.assertEqual(self.api.job(job["id"])["result"], statuses.index(200))


class ManyReports(ServerCase):
    def complete(self, completions, **more):
        return self.api.expect(200, "POST", "/jobs/complete", {"completions": completions, **more}).json

    def test_each_stands_alone(self):
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 5)
        jobs = self.api.claim_many(self.queue, 5)
        a, b, c, d, e = (job["id"] for job in jobs)
        found = self.complete([{"id": a, "version": 2, "status": "succeeded", "result": [1]},
                               {"id": 999999999, "version": 2, "status": "succeeded"},
                               {"id": b, "version": 7, "status": "succeeded"},
                               {"id": c, "version": 2, "status": "sideways"},
                               {"id": d, "version": 2, "status": "failed", "error": {"code": "x"}, "retry": False},
                               {"id": e, "status": "succeeded"}])
        self.assertEqual([(one["id"], one["status"]) for one in found["results"]],
                         [(a, 200), (999999999, 404), (b, 409), (c, 422), (d, 200), (e, 422)])
        self.assertEqual(found["jobs"], [])
        self.assertEqual([self.api.job(i)["state"] for i in (a, b, c, d, e)],
                         ["succeeded", "running", "running", "failed", "running"])

    def test_the_next_claim_comes_with_it(self):
        made = self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 5)
        first = self.api.claim_many(self.queue, 2, worker="w")
        found = self.complete([{"id": job["id"], "version": 2, "status": "succeeded"} for job in first],
                              next={"queue": self.queue, "limit": 2, "worker": "w", "type": "t"})
        self.assertEqual([one["status"] for one in found["results"]], [200, 200])
        self.assertEqual([check_job(job)["id"] for job in found["jobs"]], [made[2]["id"], made[3]["id"]])
        self.assertEqual(found["jobs"][0]["worker"], "w")

    def test_reports_come_before_the_claim(self):
        job = self.started()
        found = self.complete([{"id": job["id"], "version": 2, "status": "failed", "retry_in_ms": 0}], next={"queue": self.queue})
        self.assertEqual([(one["id"], one["attempt"]) for one in found["jobs"]], [(job["id"], 2)])

    def test_no_report_at_all_is_a_claim(self):
        made = self.enqueue()
        self.assertEqual(self.complete([]), {"results": [], "jobs": []})
        found = self.complete([], next={"queue": self.queue, "limit": 10})
        self.assertEqual([job["id"] for job in found["jobs"]], [made["id"]])

    def test_a_poll_of_the_next_claim_is_remembered(self):
        made = self.enqueue()
        body = {"queue": self.queue, "worker": "w", "poll": "p", "limit": 3}
        for _ in range(2):
            self.assertEqual([job["id"] for job in self.complete([], next=body)["jobs"]], [made["id"]])
        self.assertEqual(self.claim(worker="w", poll="p", limit=3)["jobs"][0]["id"], made["id"])

    def test_the_same_job_twice_in_a_list_is_reported_once(self):
        job = self.started()
        one = {"id": job["id"], "version": 2, "status": "succeeded", "result": 1}
        found = self.complete([one, one, {**one, "result": 2}])
        self.assertEqual([result["status"] for result in found["results"]], [200, 200, 409])

    def test_an_element_without_an_integer_id_spoils_the_whole(self):
        job = self.started()
        good = {"id": job["id"], "version": 2, "status": "succeeded"}
        for bad in ({"version": 2, "status": "succeeded"}, {**good, "id": "5"}, {**good, "id": 1.5}, {**good, "id": None}, 5, [], None):
            with self.subTest(bad=bad):
                self.refused(422, "invalid", "POST", "/jobs/complete", {"completions": [good, bad]})
        self.assertEqual(self.api.job(job["id"])["state"], "running")

    def test_a_request_that_is_wrong_changes_nothing(self):
        job = self.started()
        good = {"id": job["id"], "version": 2, "status": "succeeded"}
        for body in ({}, {"completions": 5}, {"completions": [good], "colour": 1}, {"completions": [good], "next": 5},
                     {"completions": [good], "next": {"queue": self.queue, "limit": 0}}, {"completions": [good], "next": {"queue": self.queue, "wait": 5}},
                     {"completions": [good], "next": {"queue": "a b"}}, {"completions": [good] * 1001},
                     {"completions": [good], "next": {"poll": "p"}}):
            with self.subTest(body=str(body)[:120]):
                self.refused(422, "invalid", "POST", "/jobs/complete", body)
        self.assertEqual(self.api.job(job["id"])["state"], "running")

    def test_a_thousand_reports_fit(self):
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 1000)
        jobs = [job for _ in range(10) for job in self.api.claim_many(self.queue, 100)]
        found = self.complete([{"id": job["id"], "version": 2, "status": "succeeded"} for job in jobs])
        self.assertEqual({one["status"] for one in found["results"]}, {200})
        self.assertEqual(self.api.queue(self.queue)["counts"]["succeeded"], 1000)


if __name__ == "__main__":
    unittest.main()
