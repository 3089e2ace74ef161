# SPDX-License-Identifier: MIT
"""GET /jobs: filters and pages. GET and DELETE /jobs/{id}."""
import re
import unittest
import urllib.parse

from harness import ServerCase, fresh_name
from shape import check_job


class Filters(ServerCase):
    def ids(self, **parameters):
        return [job["id"] for job in self.api.jobs(queue=self.queue, **parameters)]

    def test_jobs_come_by_id_descending_without_details(self):
        made = [self.enqueue()["id"] for _ in range(5)]
        jobs = self.api.jobs(queue=self.queue)
        self.assertEqual([check_job(job)["id"] for job in jobs], made[::-1])

    def test_state_narrows(self):
        self.enqueue(type="done")
        self.api.succeed(self.claim())
        by_state = {"succeeded": 1, "failed": 0, "blocked": 0, "canceled": 0}
        self.enqueue(delay_ms=100000)
        running = self.started()
        self.enqueue()
        for state, count in {**by_state, "scheduled": 1, "running": 1, "queued": 1}.items():
            with self.subTest(state=state):
                self.assertEqual(len(self.ids(state=state)), count)
        self.assertEqual(self.ids(state="running"), [running["id"]])

    def test_type_tag_and_batch_narrow_and_all_must_fit(self):
        one = self.enqueue(type="a", tags=["x", "y"], batch=f"{self.queue}-1")["id"]
        two = self.enqueue(type="b", tags=["y"], batch=f"{self.queue}-1")["id"]
        three = self.enqueue(type="a", tags=["z"])["id"]
        self.assertEqual(self.ids(type="a"), [three, one])
        self.assertEqual(self.ids(tag="y"), [two, one])
        self.assertEqual(self.ids(tag="x"), [one])
        self.assertEqual(self.ids(batch=f"{self.queue}-1"), [two, one])
        self.assertEqual(self.ids(type="a", tag="y"), [one])
        self.assertEqual(self.ids(type="b", tag="x"), [])
        self.assertEqual(self.ids(tag="nobody"), [])

    def test_worker_narrows(self):
        self.enqueue()
        self.enqueue()
        name = fresh_name("w:")
        job = self.claim(worker=name)
        self.assertEqual(self.ids(worker=name), [job["id"]])
        self.assertEqual([j["id"] for j in self.api.jobs(worker=name)], [job["id"]])
        self.api.succeed(job)
        self.assertEqual(self.ids(worker=name), [job["id"]])

    def test_text_is_found_in_payload_and_error(self):
        one = self.enqueue(payload={"to": "alice@example.org"})["id"]
        two = self.enqueue(payload="100%_sure\\")["id"]
        self.assertEqual(self.ids(q="alice@"), [one])
        self.assertEqual(self.ids(q="100%_"), [two])
        self.assertEqual(self.ids(q="1%e"), [])
        self.assertEqual(self.ids(q="al_ce"), [])
        failed = self.api.fail(self.claim(), retry=False, error={"code": "E42", "message": "no bananas left"})
        self.assertEqual(self.ids(q="bananas"), [failed["id"]])

    def test_a_value_is_percent_decoded_once(self):
        queue = self.queue + ":a/b"
        made = self.api.enqueue(type="t", queue=queue)
        for written in (queue, urllib.parse.quote(queue, safe=""), queue.replace("a", "%61")):
            with self.subTest(written=written):
                jobs = self.api.expect(200, "GET", f"/jobs?queue={written}").json["jobs"]
                self.assertEqual([job["id"] for job in jobs], [made["id"]])

    def test_a_wrong_parameter_is_refused(self):
        for query in ("state=bogus", "state=", "limit=0", "limit=1001", "limit=-1", "limit=abc", "limit=1.5", "limit=", "limit=1e2",
                      "limit=99999999999999999999", "colour=red", "Queue=a", "queue=a%20b", "queue=", "type=%C3%A9", "tag=" + "t" * 129,
                      "cursor=", "cursor=!!", "cursor=zzzzzzzz", "cursor=" + "A" * 500, "queue=a&queue=b", "limit=5&limit=5",
                      "q=a&q=a", "q=", "worker=", "poll=1", "offset=5", "=", "queue=%ff", "queue=%zz", "queue=%", "q=%00"):
            with self.subTest(query=query):
                reply = self.api.get(f"/jobs?{query}")
                if query == "q=%00":
                    self.assertIn(reply.status, (200, 400, 422), reply)
                    continue
                self.assertIn((reply.status, reply.slug), ((422, "invalid"), (400, "bad-request")), reply)
                if "%" not in query or query == "queue=a%20b":
                    self.assertEqual(reply.status, 422, reply)

    def test_the_bounds_of_limit_are_good(self):
        for limit in (1, 1000):
            self.assertEqual(self.ids(limit=limit), [])


class Pages(ServerCase):
    def test_pages_hold_every_job_once_and_the_last_has_no_cursor(self):
        made = self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 257)
        for limit in (1000, 257, 256, 100, 50):
            with self.subTest(limit=limit):
                found = [job["id"] for job in self.api.all_jobs(queue=self.queue, limit=limit)]
                self.assertEqual(found, [job["id"] for job in made][::-1])

    def test_a_hundred_are_the_default(self):
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 101)
        page = self.api.expect(200, "GET", f"/jobs?queue={self.queue}").json
        self.assertEqual(len(page["jobs"]), 100)
        self.assertRegex(page["next_cursor"], r"^[A-Za-z0-9_-]+$")

    def test_jobs_made_meanwhile_do_not_disturb_the_pages(self):
        made = [job["id"] for job in self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 30)]
        page = self.api.expect(200, "GET", f"/jobs?queue={self.queue}&limit=10").json
        found = [job["id"] for job in page["jobs"]]
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 5)
        found += [job["id"] for job in self.api.all_jobs(queue=self.queue, limit=10, cursor=page["next_cursor"])]
        self.assertEqual(found, made[::-1])

    def test_a_page_of_large_jobs_ends_early(self):
        body = {"jobs": [{"type": "t", "queue": self.queue, "payload": "x" * 200000}] * 5}
        for _ in range(8):
            self.api.expect(201, "POST", "/jobs", body)
        reply = self.api.expect(200, "GET", f"/jobs?queue={self.queue}&limit=1000")
        self.assertLess(len(reply.body), 6 * 1024 * 1024)
        self.assertLess(len(reply.json["jobs"]), 40)
        self.assertEqual(len(self.api.all_jobs(queue=self.queue, limit=1000)), 40)

    def test_a_cursor_goes_with_other_filters(self):
        self.api.enqueue_many([{"type": "ab"[i % 2], "queue": self.queue} for i in range(40)])
        found = self.api.all_jobs(queue=self.queue, type="a", limit=7)
        self.assertEqual([job["type"] for job in found], ["a"] * 20)


class OneJob(ServerCase):
    def test_a_job_is_shown_with_its_attempts_and_log(self):
        job = self.started(type="t")
        self.api.expect(200, "POST", f"/jobs/{job['id']}/heartbeat", {"version": job["version"], "log": "hello"})
        self.api.fail(job, retry_in_ms=0)
        again = self.claim(worker="second")
        self.api.succeed(again)
        shown = check_job(self.api.job(job["id"]), details=True)
        self.assertEqual([(a["attempt"], a["outcome"]) for a in shown["attempts"]], [(1, "failed"), (2, "succeeded")])
        self.assertEqual(shown["attempts"][0]["error"], {"code": "oops", "message": "it broke"})
        self.assertEqual(shown["attempts"][1]["worker"], "second")
        self.assertEqual(shown["log"], "hello")

    def test_a_fresh_job_has_no_attempts(self):
        shown = check_job(self.api.job(self.enqueue()["id"]), details=True)
        self.assertEqual(shown["attempts"], [])
        self.assertIn(shown.get("log"), (None, ""))

    def test_what_is_no_job_is_not_found(self):
        for job_id in ("0", "-1", "abc", "9223372036854775807", "9223372036854775808", "99999999999999999999", "1.0", "1e3",
                       "%31", "+1", "0x1", "1%00", " 1".replace(" ", "%20")):
            with self.subTest(job_id=job_id):
                self.refused(404, "not-found", "GET", f"/jobs/{job_id}")
                self.refused(404, "not-found", "DELETE", f"/jobs/{job_id}")
                self.refused(404, "not-found", "POST", f"/jobs/{job_id}/cancel")

    def test_a_parameter_that_it_does_not_take_is_refused(self):
        job = self.enqueue()
        self.refused(422, "invalid", "GET", f"/jobs/{job['id']}?full=1")
        self.refused(422, "invalid", "DELETE", f"/jobs/{job['id']}?force=1")
        self.refused(422, "invalid", "POST", f"/jobs/{job['id']}/cancel?now=1")
        self.refused(422, "invalid", "POST", "/jobs?x=1", {"type": "t"})
        self.assertEqual(self.api.job(job["id"])["state"], "queued")

    def test_only_what_has_ended_can_be_deleted(self):
        for state in ("succeeded", "failed", "canceled"):
            job = self.ended(state)
            self.api.expect(204, "DELETE", f"/jobs/{job['id']}")
            self.refused(404, "not-found", "GET", f"/jobs/{job['id']}")
            self.refused(404, "not-found", "DELETE", f"/jobs/{job['id']}")
        self.assertEqual(self.api.jobs(queue=self.queue), [])

    def test_a_cursor_is_made_of_letters_that_need_no_escape(self):
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 3)
        cursor = self.api.expect(200, "GET", f"/jobs?queue={self.queue}&limit=1").json["next_cursor"]
        self.assertTrue(re.fullmatch(r"[A-Za-z0-9_-]+", cursor), cursor)


if __name__ == "__main__":
    unittest.main()
