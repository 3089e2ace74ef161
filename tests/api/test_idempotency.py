# SPDX-License-Identifier: MIT
"""Idempotency-Key: the same request again is the same request."""
import json
import unittest

from harness import FreshServerCase, ServerCase, fresh_name
from parallel import at_once


class AKey(ServerCase):
    def setUp(self):
        super().setUp()
        self.key = {"Idempotency-Key": fresh_name("key")}
        self.body = {"type": "t", "queue": self.queue}

    def test_the_same_key_and_bytes_give_the_same_job(self):
        first = self.api.expect(201, "POST", "/jobs", self.body, self.key)
        again = self.api.expect(201, "POST", "/jobs", self.body, self.key)
        self.assertEqual(first.json, again.json)
        self.assertEqual(first.headers["Location"], again.headers["Location"])
        self.assertEqual(len(self.api.jobs(queue=self.queue)), 1)

    def test_the_job_is_shown_as_it_now_is(self):
        self.api.expect(201, "POST", "/jobs", self.body, self.key)
        job = self.api.succeed(self.claim(), result={"done": True})
        again = self.api.expect(201, "POST", "/jobs", self.body, self.key).json
        self.assertEqual((again["id"], again["state"], again["version"]), (job["id"], "succeeded", 3))

    def test_of_a_job_that_was_deleted_since_the_id_is_left(self):
        job = self.api.expect(201, "POST", "/jobs", self.body, self.key).json
        self.api.cancel(job["id"])
        self.api.expect(204, "DELETE", f"/jobs/{job['id']}")
        again = self.api.expect(201, "POST", "/jobs", self.body, self.key)
        self.assertEqual(again.json, {"id": job["id"]})

    def test_the_same_key_with_another_body_is_refused(self):
        self.api.expect(201, "POST", "/jobs", self.body, self.key)
        self.refused(422, "invalid", "POST", "/jobs", {**self.body, "priority": 1}, headers=self.key)
        spaced = json.dumps(self.body, indent=1).encode()
        self.assertEqual(self.api.send("POST", "/jobs", spaced, self.key).status, 422)
        self.assertEqual(len(self.api.jobs(queue=self.queue)), 1)

    def test_a_list_is_repeated_with_the_same_ids_in_the_same_order(self):
        body = {"jobs": [{**self.body, "priority": i} for i in range(100)]}
        first = self.api.expect(201, "POST", "/jobs", body, self.key).json["jobs"]
        again = self.api.expect(201, "POST", "/jobs", body, self.key).json["jobs"]
        self.assertEqual(first, again)
        self.assertEqual(len(self.api.jobs(queue=self.queue)), 100)

    def test_sixteen_at_once_make_one_job(self):
        def one(_):
            client = self.server.client()
            try:
                return client.expect(201, "POST", "/jobs", self.body, self.key).json["id"]
            finally:
                client.close()

        self.assertEqual(len(set(at_once(16, one))), 1)
        self.assertEqual(len(self.api.jobs(queue=self.queue)), 1)

    def test_two_at_once_with_other_bodies_make_one_job(self):
        def one(number):
            client = self.server.client()
            try:
                return client.call("POST", "/jobs", {**self.body, "priority": number}, self.key).status
            finally:
                client.close()

        self.assertEqual(sorted(at_once(8, one)), [201] + [422] * 7)
        self.assertEqual(len(self.api.jobs(queue=self.queue)), 1)

    def test_what_was_refused_is_not_kept(self):
        self.refused(422, "invalid", "POST", "/jobs", {**self.body, "priority": 5000}, headers=self.key)
        self.api.expect(201, "POST", "/jobs", self.body, self.key)

    def test_other_keys_make_other_jobs(self):
        keys = [{"Idempotency-Key": fresh_name("key")} for _ in range(3)]
        ids = {self.api.expect(201, "POST", "/jobs", self.body, key).json["id"] for key in keys}
        self.assertEqual(len(ids), 3)

    def test_a_key_that_is_none_is_refused(self):
        for key in ("", "k" * 257, "with space", "t\tab", "\u00e9"):
            with self.subTest(key=key):
                reply = self.api.call("POST", "/jobs", self.body, {"Idempotency-Key": key})
                self.assertIn(reply.status, (400, 422), reply)
        self.assertEqual(self.api.jobs(queue=self.queue), [])
        self.api.expect(201, "POST", "/jobs", self.body, {"Idempotency-Key": fresh_name() + "!~" * 100})

    def test_the_answer_200_of_an_existing_job_is_kept_too(self):
        body = {**self.body, "unique_key": "u"}
        held = self.enqueue(unique_key="u")
        self.assertEqual(self.api.expect(200, "POST", "/jobs", body, self.key).json["id"], held["id"])
        self.api.cancel(held["id"])
        again = self.api.expect(200, "POST", "/jobs", body, self.key).json
        self.assertEqual((again["id"], again["state"]), (held["id"], "canceled"))


class AKeyAndARestart(FreshServerCase):
    def test_a_key_holds_over_a_restart_and_over_a_kill(self):
        server = self.fresh_server()
        body, key = {"type": "t", "queue": self.queue}, {"Idempotency-Key": "one"}
        first = self.client_of(server).expect(201, "POST", "/jobs", body, key).json
        for end in (server.stop, server.kill):
            end()
            server.start()
            client = self.client_of(server)
            self.assertEqual(client.expect(201, "POST", "/jobs", body, key).json["id"], first["id"])
            self.assertEqual(client.call("POST", "/jobs", {**body, "priority": 1}, key).status, 422)
        server.stop()


class AUniqueKey(ServerCase):
    def test_a_second_job_is_not_made_while_the_first_is_live(self):
        first = self.enqueue(unique_key="u")
        reply = self.api.expect(200, "POST", "/jobs", {"type": "other", "queue": self.queue, "unique_key": "u", "priority": 9})
        self.assertEqual((reply.json["id"], reply.json["existing"], reply.json["type"]), (first["id"], True, "t"))
        self.assertNotIn("existing", first)
        self.assertEqual(len(self.api.jobs(queue=self.queue)), 1)

    def test_it_holds_in_every_live_state(self):
        self.enqueue(unique_key="scheduled", delay_ms=1000000)
        self.started(unique_key="running")
        self.enqueue(unique_key="queued")
        for key in ("scheduled", "running", "queued"):
            with self.subTest(key=key):
                reply = self.api.expect(200, "POST", "/jobs", {"type": "t", "queue": self.queue, "unique_key": key})
                self.assertEqual(reply.json["state"], key)

    def test_it_is_free_again_once_the_job_has_ended(self):
        for state in ("succeeded", "failed", "canceled"):
            with self.subTest(state=state):
                old = self.ended(state, unique_key="u")
                self.assertNotEqual(self.started(unique_key="u")["id"], old["id"])
                self.api.cancel(self.api.jobs(queue=self.queue, state="running")[0]["id"])
                self.api.fail(self.api.jobs(queue=self.queue, state="running")[0])

    def test_the_same_key_in_another_queue_is_another_key(self):
        self.enqueue(unique_key="u")
        self.enqueue(queue=self.queue + "-2", unique_key="u")

    def test_within_a_list_the_second_is_the_first(self):
        one = {"type": "t", "queue": self.queue, "unique_key": "u"}
        made = self.api.expect(201, "POST", "/jobs", {"jobs": [one, one, {"type": "t", "queue": self.queue}]}).json["jobs"]
        self.assertEqual(made[0]["id"], made[1]["id"])
        self.assertEqual([job.get("existing", False) for job in made], [False, True, False])

    def test_a_list_of_nothing_new_is_200(self):
        one = {"type": "t", "queue": self.queue, "unique_key": "u"}
        first = self.api.enqueue(**one)
        listed = self.api.expect(200, "POST", "/jobs", {"jobs": [one]}).json["jobs"]
        self.assertEqual([(job["id"], job["existing"]) for job in listed], [(first["id"], True)])

    def test_sixteen_at_once_make_one_job(self):
        def one(_):
            client = self.server.client()
            try:
                return client.call("POST", "/jobs", {"type": "t", "queue": self.queue, "unique_key": "u"})
            finally:
                client.close()

        replies = at_once(16, one)
        self.assertEqual(sorted(reply.status for reply in replies), [200] * 15 + [201])
        self.assertEqual(len({reply.json["id"] for reply in replies}), 1)

    def test_a_retry_is_refused_while_a_live_job_holds_the_key(self):
        old = self.ended("failed", unique_key="u")
        held = self.enqueue(unique_key="u")
        before = self.api.job(old["id"])
        self.refused(409, "conflict", "POST", f"/jobs/{old['id']}/retry")
        self.assert_unchanged(before)
        self.api.cancel(held["id"])
        self.assertEqual(self.api.retry(old["id"])["state"], "queued")
        self.assertEqual(self.api.expect(200, "POST", "/jobs", {"type": "t", "queue": self.queue, "unique_key": "u"}).json["id"],
                         old["id"])


if __name__ == "__main__":
    unittest.main()
