# SPDX-License-Identifier: MIT
"""Queues: counts, pause; and the statistics of the whole."""
import time
import unittest
import urllib.parse

from harness import ServerCase
from shape import is_integer
from waiting import wait_until


class AQueue(ServerCase):
    def pause(self, paused):
        return self.api.expect(200, "PATCH", f"/queues/{self.queue}", {"paused": paused}).json

    def test_it_is_there_as_soon_as_a_job_names_it(self):
        self.refused(404, "not-found", "GET", f"/queues/{self.queue}")
        self.enqueue()
        queue = self.api.queue(self.queue)
        self.assertEqual((queue["name"], queue["paused"], queue["counts"]["queued"]), (self.queue, False, 1))
        self.assertIn(self.queue, [one["name"] for one in self.api.expect(200, "GET", "/queues").json["queues"]])

    def test_it_is_there_as_soon_as_a_patch_names_it(self):
        self.assertEqual(self.pause(True)["paused"], True)
        self.assertEqual(self.api.queue(self.queue)["paused"], True)

    def test_it_counts_by_state_and_keeps_count(self):
        def counts(**expected):
            found = self.api.queue(self.queue)["counts"]
            self.assertEqual({state: count for state, count in found.items() if count}, expected)

        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 6 + [{"type": "t", "queue": self.queue, "delay_ms": 1000000}])
        counts(queued=6, scheduled=1)
        jobs = self.api.claim_many(self.queue, 5)
        counts(queued=1, scheduled=1, running=5)
        self.api.succeed(jobs[0])
        self.api.fail(jobs[1], retry=False)
        self.api.cancel(jobs[2]["id"])
        self.api.fail(jobs[2])
        self.api.fail(jobs[3], retry_in_ms=0)
        counts(queued=2, scheduled=1, running=1, succeeded=1, failed=1, canceled=1)
        self.api.retry(jobs[0]["id"])
        self.api.expect(204, "DELETE", f"/jobs/{jobs[1]['id']}")
        self.api.expect(200, "POST", f"/jobs/{jobs[4]['id']}/release", {"version": 2})
        counts(queued=4, scheduled=1, canceled=1)

    def test_it_knows_how_long_its_oldest_ready_job_has_waited(self):
        self.enqueue(delay_ms=1000000)
        self.assertIn(self.api.queue(self.queue)["oldest_ready_age_ms"], (0, None))
        self.enqueue()
        wait_until(lambda: self.api.queue(self.queue)["oldest_ready_age_ms"] > 0)
        self.claim()
        self.assertIn(self.api.queue(self.queue)["oldest_ready_age_ms"], (0, None))

    def test_a_paused_queue_takes_jobs_and_reports_and_gives_nothing(self):
        job = self.started()
        self.pause(True)
        made = self.enqueue()
        self.assertEqual(made["state"], "queued")
        self.assertIsNone(self.claim(wait=0.1))
        self.assertIsNone(self.claim(type="t"))
        self.api.expect(200, "POST", f"/jobs/{job['id']}/heartbeat", {"version": 2})
        found = self.api.expect(200, "POST", "/jobs/complete", {"completions": [{"id": job["id"], "version": 2, "status": "succeeded"}],
                                                               "next": {"queue": self.queue}}).json
        self.assertEqual((found["results"][0]["status"], found["jobs"]), (200, []))
        self.pause(False)
        self.assertEqual(self.claim()["id"], made["id"])

    def test_a_pause_of_one_queue_leaves_the_others(self):
        self.pause(True)
        self.enqueue()
        made = self.api.enqueue(queue=self.queue + "-2", type="t")
        self.assertEqual(self.api.claim(f"{self.queue},{self.queue}-2")["id"], made["id"])

    def test_leases_of_a_poll_come_back_from_a_paused_queue_too(self):
        self.enqueue()
        first = self.claim(worker="w", poll="p")
        self.pause(True)
        self.assertEqual(self.claim(worker="w", poll="p")["id"], first["id"])

    def test_a_wrong_change_is_refused(self):
        self.enqueue()
        for body in ({"paused": "yes"}, {"paused": 1}, {"paused": None}, {"pause": True}, {"name": "x"}, {"paused": True, "colour": 1}):
            with self.subTest(body=body):
                self.refused(422, "invalid", "PATCH", f"/queues/{self.queue}", body)
        self.assertEqual(self.api.send("PATCH", f"/queues/{self.queue}", b"").status, 400)
        self.assertFalse(self.api.queue(self.queue)["paused"])

    def test_a_name_that_is_none_is_no_queue(self):
        for name in ("a%20b", "q" * 129, "%C3%A9", "a%00"):
            with self.subTest(name=name):
                self.assertIn(self.api.get(f"/queues/{name}").status, (404, 422))
                self.assertIn(self.api.call("PATCH", f"/queues/{name}", {"paused": True}).status, (404, 422))

    def test_a_name_with_a_slash_is_reached_by_its_escape(self):
        name = self.queue + "/a:b"
        self.api.enqueue(queue=name, type="t")
        self.assertEqual(self.api.expect(200, "GET", f"/queues/{urllib.parse.quote(name, safe='')}").json["name"], name)


class Statistics(ServerCase):
    def numbers(self, value):
        if isinstance(value, dict):
            return [number for one in value.values() for number in self.numbers(one)]
        return [value]

    def test_they_are_numbers_by_name(self):
        stats = self.api.expect(200, "GET", "/stats").json
        for number in self.numbers(stats):
            self.assertTrue(number is None or type(number) in (int, float), stats)

    def test_the_totals_by_state_follow_the_jobs(self):
        before = self.api.expect(200, "GET", "/stats").json["states"]
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 7)
        self.api.succeed(self.claim())
        after = self.api.expect(200, "GET", "/stats").json["states"]
        self.assertTrue(all(is_integer(count) for count in after.values()))
        self.assertEqual(after.get("queued", 0) - before.get("queued", 0), 6)
        self.assertEqual(after.get("succeeded", 0) - before.get("succeeded", 0), 1)

    def test_a_parameter_is_refused(self):
        self.refused(422, "invalid", "GET", "/stats?queue=a")
        self.refused(422, "invalid", "GET", "/queues?x=1")


class Health(ServerCase):
    def test_both_answer_ok_with_their_checks(self):
        for path in ("/livez", "/readyz"):
            with self.subTest(path=path):
                answer = self.api.expect(200, "GET", path).json
                self.assertEqual(answer["status"], "ok")
                self.assertIsInstance(answer["checks"], dict)

    def test_they_answer_head_and_refuse_other_methods(self):
        for path in ("/livez", "/readyz"):
            self.assertEqual(self.api.send("HEAD", path).status, 200)
            self.refused(405, "method-not-allowed", "POST", path)

    def test_readyz_answers_while_the_store_is_busy(self):
        started = time.monotonic()
        for _ in range(50):
            self.api.expect(200, "GET", "/readyz")
        self.assertLess(time.monotonic() - started, 30)


if __name__ == "__main__":
    unittest.main()
