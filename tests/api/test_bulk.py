# SPDX-License-Identifier: MIT
"""POST /jobs/bulk: many jobs at once, in bounded steps."""
import json
import unittest

from harness import FreshServerCase, ServerCase


class Bulk(ServerCase):
    def bulk(self, action, **narrow):
        return self.api.expect(200, "POST", "/jobs/bulk", {"action": action, "filter": narrow}).json

    def states(self):
        return sorted(job["state"] for job in self.api.all_jobs(queue=self.queue, limit=1000))

    def test_cancel_retry_and_delete_by_queue(self):
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 20)
        self.assertEqual(self.bulk("cancel", queue=self.queue), {"affected": 20, "more": False})
        self.assertEqual(self.states(), ["canceled"] * 20)
        self.assertEqual(self.bulk("retry", queue=self.queue), {"affected": 20, "more": False})
        self.assertEqual(self.states(), ["queued"] * 20)
        self.assertEqual(self.bulk("delete", queue=self.queue), {"affected": 0, "more": False})
        self.bulk("cancel", queue=self.queue)
        self.assertEqual(self.bulk("delete", queue=self.queue), {"affected": 20, "more": False})
        self.assertEqual(self.states(), [])

    def test_each_filter_narrows_and_all_must_fit(self):
        batch = f"{self.queue}-b"
        made = self.api.enqueue_many([{"type": "a", "queue": self.queue, "tags": ["x"], "batch": batch}, {"type": "a", "queue": self.queue},
                                      {"type": "b", "queue": self.queue, "tags": ["x"]}, {"type": "b", "queue": self.queue, "batch": batch},
                                      {"type": "c", "queue": self.queue, "delay_ms": 1000000}])
        ids = [job["id"] for job in made]
        self.assertEqual(self.bulk("cancel", queue=self.queue, type="a", tag="x")["affected"], 1)
        self.assertEqual(self.bulk("cancel", batch=batch)["affected"], 1)
        self.assertEqual(self.bulk("cancel", queue=self.queue, tag="x", type="a")["affected"], 0)
        self.assertEqual(self.bulk("cancel", queue=self.queue, state="scheduled")["affected"], 1)
        self.assertEqual(self.bulk("cancel", ids=ids, type="b")["affected"], 1)
        self.assertEqual([self.api.job(i)["state"] for i in ids], ["canceled", "queued", "canceled", "canceled", "canceled"])

    def test_ids_that_are_not_there_are_skipped(self):
        made = self.enqueue()
        self.assertEqual(self.bulk("cancel", ids=[made["id"], 999999999, made["id"]]), {"affected": 1, "more": False})

    def test_a_thousand_ids_fit(self):
        ids = [job["id"] for job in self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 1000)]
        self.assertEqual(self.bulk("cancel", ids=ids), {"affected": 1000, "more": False})

    def test_what_the_state_forbids_is_skipped_and_not_counted(self):
        for state in ("succeeded", "failed", "canceled"):
            self.ended(state)
        self.started()
        self.enqueue()
        self.assertEqual(self.bulk("retry", queue=self.queue, state="queued")["affected"], 0)
        self.assertEqual(self.bulk("delete", queue=self.queue, state="running")["affected"], 0)
        self.assertEqual(self.bulk("cancel", queue=self.queue)["affected"], 2)
        running = self.api.jobs(queue=self.queue, state="running")
        self.assertEqual([job["cancel_requested"] for job in running], [True])
        self.assertEqual(self.bulk("delete", queue=self.queue)["affected"], 4)
        self.assertEqual(self.states(), ["running"])

    def test_a_retry_skips_a_job_whose_unique_key_is_held(self):
        old = self.ended("failed", unique_key="u")
        free = self.ended("failed")
        held = self.enqueue(unique_key="u")
        self.assertEqual(self.bulk("retry", queue=self.queue, state="failed"), {"affected": 1, "more": False})
        self.assertEqual([self.api.job(job["id"])["state"] for job in (old, free, held)], ["failed", "queued", "queued"])

    def test_ten_thousand_are_the_bound_of_one_request(self):
        for _ in range(11):
            self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 1000)
        for action in ("cancel", "delete"):
            self.assertEqual(self.bulk(action, queue=self.queue), {"affected": 10000, "more": True})
            self.assertEqual(self.bulk(action, queue=self.queue), {"affected": 1000, "more": False})
        counts = self.api.queue(self.queue)["counts"]
        self.assertEqual(sum(counts.values()), 0)

    def test_a_held_poll_is_served_by_a_retry_of_many(self):
        self.ended("failed")
        self.bulk("retry", queue=self.queue)
        self.assertEqual(self.claim()["attempt"], 1)

    def test_a_wrong_request_changes_nothing(self):
        made = self.enqueue()
        mine = {"queue": self.queue}
        for body in ({}, {"action": "cancel"}, {"filter": mine}, {"action": "cancel", "filter": {}}, {"action": "explode", "filter": mine},
                     {"action": "cancel", "filter": 5}, {"action": "cancel", "filter": {**mine, "colour": 1}}, {"action": "cancel", "filter": mine, "x": 1},
                     {"action": "cancel", "filter": {**mine, "state": "bogus"}}, {"action": "cancel", "filter": {"ids": ["1"]}},
                     {"action": "cancel", "filter": {"ids": [1.5]}}, {"action": "cancel", "filter": {"ids": [made["id"]] * 1001}},
                     {"action": "cancel", "filter": {"ids": 5}}, {"action": 1, "filter": mine}, {"action": "cancel", "filter": {**mine, "worker": "w"}},
                     {"action": "cancel", "filter": {**mine, "limit": 5}}):
            with self.subTest(body=str(body)[:120]):
                self.refused(422, "invalid", "POST", "/jobs/bulk", body)
        self.assertEqual(self.api.job(made["id"])["version"], 1)


class Abandoned(FreshServerCase):
    def test_a_change_ends_when_its_client_hangs_up(self):
        server = self.fresh_server()
        for _ in range(10):
            self.client_of(server).enqueue_many([{"type": "t", "queue": self.queue}] * 1000)
        body = json.dumps({"action": "cancel", "filter": {"queue": self.queue}}).encode()
        with server.raw() as raw:
            raw.send(b"POST /jobs/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        server.stop()  # waits for what is under way
        server.start()
        self.assertLess(self.client_of(server).queue(self.queue)["counts"].get("canceled", 0), 10000)


if __name__ == "__main__":
    unittest.main()
