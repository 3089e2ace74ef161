# SPDX-License-Identifier: MIT
"""GET and POST /next-job: who gets which job."""
import time
import unittest

from harness import ServerCase, fresh_name
from parallel import Task
from shape import check_job, milliseconds


class AClaim(ServerCase):
    def test_a_claimed_job_runs_under_a_lease(self):
        made = self.enqueue(lease_ms=30000)
        job = check_job(self.claim(worker="host-1:4711"))
        self.assertEqual((job["id"], job["state"], job["version"], job["attempt"]), (made["id"], "running", 2, 1))
        self.assertEqual(job["worker"], "host-1:4711")
        self.assertEqual(milliseconds(job["lease_expires_at"]) - milliseconds(job["started_at"]), 30000)
        self.assertEqual(job["started_at"], job["updated_at"])
        self.assertEqual(job["run_at"], made["run_at"])

    def test_nothing_ready_is_204_and_never_cached(self):
        reply = self.api.get(f"/next-job?queue={self.queue}")
        self.assertEqual((reply.status, reply.headers["Cache-Control"]), (204, "no-store"))
        self.enqueue()
        reply = self.api.get(f"/next-job?queue={self.queue}")
        self.assertEqual((reply.status, reply.headers["Cache-Control"]), (200, "no-store"))

    def test_a_leased_job_is_not_given_again(self):
        self.enqueue()
        self.assertIsNotNone(self.claim())
        self.assertIsNone(self.claim())

    def test_a_scheduled_job_is_not_given_before_its_time(self):
        self.enqueue(delay_ms=3600000)
        self.assertIsNone(self.claim())

    def test_a_scheduled_job_is_given_when_it_is_due(self):
        made = self.enqueue(delay_ms=300)
        job = self.claim(wait=20)
        self.assertEqual((job["id"], job["version"]), (made["id"], 3))
        self.assertGreaterEqual(milliseconds(job["started_at"]), milliseconds(made["run_at"]))

    def test_without_a_queue_it_is_the_default_one(self):
        kind = fresh_name("type")
        made = self.api.enqueue(type=kind)
        job = self.api.expect(200, "GET", f"/next-job?type={kind}").json
        self.assertEqual((job["id"], job["queue"]), (made["id"], "default"))


class TheOrder(ServerCase):
    def types_in_order(self, **parameters):
        found = []
        while job := self.claim(**parameters):
            found.append(job["type"])
        return found

    def test_higher_priority_first_then_earlier_run_at_then_lower_id(self):
        for name, fields in (("f", {"priority": -5}), ("d", {"run_at": "2021-01-01T00:00:00Z"}), ("e", {}), ("b", {"priority": 9}),
                             ("c", {"run_at": "2020-01-01T00:00:00Z"}), ("a", {"priority": 1000}), ("b2", {"priority": 9})):
            self.enqueue(type=name, **fields)
        self.assertEqual(self.types_in_order(), ["a", "b", "b2", "c", "d", "e", "f"])

    def test_the_order_holds_over_several_types(self):
        for name, priority in (("x", 1), ("y", 2), ("z", 9), ("x", 3), ("y", 0), ("x", 2)):
            self.enqueue(type=name, priority=priority)
        self.assertEqual(self.types_in_order(type="x,y"), ["x", "y", "x", "x", "y"])
        self.assertEqual(self.types_in_order(), ["z"])

    def test_a_limit_takes_the_best_in_order(self):
        for priority in (1, 5, 3, 4, 2):
            self.enqueue(type=f"p{priority}", priority=priority)
        self.assertEqual([job["type"] for job in self.api.claim_many(self.queue, 3)], ["p5", "p4", "p3"])
        self.assertEqual([job["type"] for job in self.api.claim_many(self.queue, 100)], ["p2", "p1"])
        self.assertEqual(self.api.claim_many(self.queue, 100), [])

    def test_queues_are_preferred_in_the_order_given_whatever_the_priority(self):
        other = self.queue + "-other"
        self.enqueue(priority=1000)
        self.api.enqueue(queue=other, type="t", priority=-1000)
        job = self.api.claim(f"{other},{self.queue}")
        self.assertEqual(job["queue"], other)
        self.assertEqual(self.api.claim(f"{other},{self.queue}")["queue"], self.queue)

    def test_a_limit_is_filled_from_the_next_queue(self):
        other = self.queue + "-other"
        for _ in range(2):
            self.enqueue(priority=5)
            self.api.enqueue(queue=other, type="t")
        jobs = self.api.claim_many(f"{other},{self.queue}", 3)
        self.assertEqual([job["queue"] for job in jobs], [other, other, self.queue])

    def test_only_the_types_asked_for_are_given(self):
        self.enqueue(type="a", priority=9)
        made = self.enqueue(type="b")
        self.assertEqual(self.claim(type="b,c")["id"], made["id"])
        self.assertIsNone(self.claim(type="b,c"))

    def test_a_claim_of_large_jobs_gives_fewer(self):
        body = {"jobs": [{"type": "t", "queue": self.queue, "payload": "x" * 200000}] * 5}
        for _ in range(6):
            self.api.expect(201, "POST", "/jobs", body)
        found = []
        while jobs := self.api.claim_many(self.queue, 100):
            self.assertLess(len(jobs), 30)
            found += [job["id"] for job in jobs]
        self.assertEqual(len(set(found)), 30)


class TheParameters(ServerCase):
    def test_wrong_ones_are_refused_and_nothing_is_leased(self):
        made = self.enqueue()
        many = ",".join(f"q{i}" for i in range(33))
        for query in ("limit=0", "limit=101", "limit=-1", "limit=x", "limit=1.5", "wait=61", "wait=60.1", "wait=-1", "wait=x", "wait=nan",
                      "wait=inf", "wait=", f"type={many}", "type=a%20b", "type=a,,b", "type=,", "poll=p", "poll=&worker=w", "colour=red",
                      "limit=1&limit=1", "concurrency=x", "concurrency=-1", "worker=" + "w" * 129, "Limit=1", "state=queued"):
            with self.subTest(query=query):
                self.refused(422, "invalid", "GET", f"/next-job?queue={self.queue}&{query}")
        for query in (f"queue={many}", "queue=a%20b", "queue=a,", f"queue={self.queue}&queue={self.queue}", "queue=" + "q" * 129):
            with self.subTest(query=query):
                self.refused(422, "invalid", "GET", f"/next-job?{query}")
        self.assertEqual(self.api.job(made["id"])["version"], 1)

    def test_thirty_two_names_are_good(self):
        names = ",".join([f"q{i}" for i in range(31)])
        self.enqueue(type="q7")
        job = self.api.claim(f"{names},{self.queue}", type=f"{names},t", worker="w", host="h.example", version="1.2.3", concurrency=8)
        self.assertEqual(job["type"], "q7")

    def test_post_takes_the_same_as_an_object(self):
        for name in ("a", "b", "c"):
            self.enqueue(type=name)
        body = {"queue": f"nobody,{self.queue}", "type": "a,b", "limit": 5, "wait": 0.5, "worker": "w", "poll": "p",
                "concurrency": 8, "host": "h", "version": "1"}
        reply = self.api.expect(200, "POST", "/next-job", body)
        self.assertEqual([job["type"] for job in reply.json["jobs"]], ["a", "b"])
        self.assertEqual(reply.headers["Cache-Control"], "no-store")
        self.assertEqual(self.api.expect(200, "POST", "/next-job", {"queue": self.queue}).json["type"], "c")
        self.assertEqual(self.api.call("POST", "/next-job", {"queue": self.queue}).status, 204)

    def test_post_refuses_the_same(self):
        made = self.enqueue()
        for fields in ({"limit": 0}, {"limit": 101}, {"limit": "5"}, {"limit": 1.5}, {"wait": 61}, {"wait": -1}, {"wait": "1"}, {"poll": "p"},
                       {"colour": 1}, {"type": ["a"]}, {"type": "a b"}, {"type": "a,,b"}, {"worker": 5}, {"queue": 5}, {"queue": [self.queue]}):
            with self.subTest(fields=fields):
                self.refused(422, "invalid", "POST", "/next-job", {"queue": self.queue, **fields})
        self.refused(422, "invalid", "POST", f"/next-job?queue={self.queue}", {})
        self.assertEqual(self.api.send("POST", "/next-job", b"[]").status, 422)
        self.assertEqual(self.api.send("POST", "/next-job", b"{").status, 400)
        self.assertEqual(self.api.job(made["id"])["version"], 1)

    def test_head_is_no_way_to_claim(self):
        made = self.enqueue()
        reply = self.api.expect(405, "HEAD", f"/next-job?queue={self.queue}")
        self.assertEqual({word.strip() for word in reply.headers["Allow"].split(",")}, {"GET", "POST"})
        self.assertEqual(self.api.job(made["id"])["version"], 1)


class Waiting(ServerCase):
    def test_a_wait_that_is_over_is_204(self):
        started = time.monotonic()
        self.assertIsNone(self.claim(wait=0.3))
        self.assertGreaterEqual(time.monotonic() - started, 0.29)

    def test_a_job_that_is_there_ends_the_wait_at_once(self):
        self.enqueue()
        started = time.monotonic()
        self.assertIsNotNone(self.claim(wait=60))
        self.assertLess(time.monotonic() - started, 30)

    def test_a_limit_does_not_wait_until_it_is_full(self):
        client = self.new_client()
        held = Task(lambda: client.claim_many(self.queue, 100, wait=50))
        made = self.enqueue()
        self.assertEqual([job["id"] for job in held.result()], [made["id"]])


if __name__ == "__main__":
    unittest.main()
