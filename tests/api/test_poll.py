# SPDX-License-Identifier: MIT
"""Held polls, polls that are asked again, and clients that hang up."""
import time
import unittest

from harness import FreshServerCase, ServerCase, fresh_name
from parallel import Task
from shape import check_job
from waiting import wait_until


class AHeldPoll(ServerCase):
    def held_polls(self):
        return self.api.get("/stats").json["held_polls"]

    def hold(self, **parameters):
        """A poll, once it is held."""
        client, before = self.new_client(), self.held_polls()
        task = Task(lambda: (client.claim(self.queue, **{"wait": 50, **parameters}), time.monotonic()))
        wait_until(lambda: self.held_polls() > before or not task.is_alive(), what="a held poll", step=0.002)
        return task

    def test_it_answers_within_50_ms_of_an_enqueue(self):
        best = 1e9
        for _ in range(8):
            held = self.hold()
            asked = time.monotonic()
            self.enqueue()
            job, answered = held.result()
            self.assertIsNotNone(job)
            best = min(best, answered - asked)
        self.assertLess(best, 0.05)

    def test_one_job_goes_to_one_of_many(self):
        held = [self.hold(wait=2) for _ in range(8)]
        made = self.enqueue()
        jobs = [job for job, _ in (task.result() for task in held) if job]
        self.assertEqual([(job["id"], job["version"]) for job in jobs], [(made["id"], 2)])

    def test_each_of_many_gets_one_of_a_list(self):
        held = [self.hold() for _ in range(8)]
        made = self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 8)
        jobs = [task.result()[0] for task in held]
        self.assertEqual(sorted(job["id"] for job in jobs), [job["id"] for job in made])

    def test_a_job_of_another_type_or_queue_leaves_it_waiting(self):
        held = self.hold(type="mine", wait=50)
        self.enqueue(type="other")
        self.api.enqueue(queue=self.queue + "-2", type="mine")
        made = self.enqueue(type="mine")
        self.assertEqual(held.result()[0]["id"], made["id"])
        self.assertEqual([job["type"] for job in self.api.jobs(queue=self.queue, state="queued")], ["other"])

    def test_a_release_a_retry_and_a_failure_without_delay_wake_it(self):
        job = self.started()
        for make_ready in (lambda: self.api.expect(200, "POST", f"/jobs/{job['id']}/release", {"version": job["version"]}),
                           lambda: self.api.fail(job, retry_in_ms=0),
                           lambda: self.api.retry(self.api.fail(job, retry=False)["id"])):
            held = self.hold()
            make_ready()
            job = held.result()[0]
            self.assertIsNotNone(job)

    def test_a_queue_that_goes_on_serves_what_was_held_through_its_pause(self):
        self.api.expect(200, "PATCH", f"/queues/{self.queue}", {"paused": True})
        held = self.hold()
        made = self.enqueue()
        self.assertIsNone(self.claim(wait=0.2))
        self.api.expect(200, "PATCH", f"/queues/{self.queue}", {"paused": False})
        self.assertEqual(held.result()[0]["id"], made["id"])

    def test_a_client_that_has_hung_up_gets_nothing(self):
        for _ in range(5):
            sock = self.raw()
            sock.request(f"GET /next-job?queue={self.queue}&wait=50 HTTP/1.1")
            self.assertIsNone(self.claim(wait=0.1))
            sock.close()
            made = self.enqueue()
            self.assertEqual(self.api.job(made["id"])["version"], 1)
            self.assertEqual(self.claim()["id"], made["id"])

    def test_the_job_of_one_that_hung_up_goes_to_the_next_that_is_held(self):
        sock = self.raw()
        sock.request(f"GET /next-job?queue={self.queue}&wait=50 HTTP/1.1")
        self.assertIsNone(self.claim(wait=0.1))
        held = self.hold()
        sock.close()
        made = self.enqueue()
        self.assertEqual(held.result()[0]["id"], made["id"])
        self.assertEqual(self.api.job(made["id"])["version"], 2)


class APollAskedAgain(ServerCase):
    def ask(self, worker=None, poll="p", **parameters):
        return self.api.claim_many(self.queue, parameters.pop("limit", 10), worker=worker or self.worker, poll=poll, **parameters)

    def setUp(self):
        super().setUp()
        self.worker = fresh_name("w")
        self.made = self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 5)

    def test_its_leases_come_back_as_they_were(self):
        first = self.ask(limit=3)
        self.assertEqual(len(first), 3)
        again = self.ask(limit=3)
        self.assertEqual([check_job(job)["id"] for job in again], [job["id"] for job in first])
        self.assertEqual([job["version"] for job in again], [2, 2, 2])
        self.assertEqual([job["payload"] for job in again], [{}] * 3)

    def test_without_a_limit_the_one_job_comes_back(self):
        first = self.claim(worker=self.worker, poll="p")
        self.assertEqual(self.claim(worker=self.worker, poll="p")["id"], first["id"])

    def test_only_what_is_still_held_comes_back(self):
        first = self.ask(limit=2)
        self.api.succeed(first[0])
        self.assertEqual([job["id"] for job in self.ask(limit=2)], [first[1]["id"]])

    def test_where_nothing_is_held_any_more_it_is_a_new_claim(self):
        first = self.ask(limit=2)
        for job in first:
            self.api.succeed(job)
        again = self.ask(limit=2)
        self.assertEqual([job["id"] for job in again], [job["id"] for job in self.made[2:4]])

    def test_a_job_claimed_anew_by_another_does_not_come_back(self):
        first = self.ask(limit=1)[0]
        self.api.fail(first, retry_in_ms=0)
        other = self.api.claim_many(self.queue, 100, worker="other")
        self.assertIn(first["id"], [job["id"] for job in other])
        self.assertEqual(self.ask(limit=1), [])

    def test_the_same_poll_of_another_worker_and_another_poll_are_others(self):
        first = {job["id"] for job in self.ask(limit=1)}
        second = {job["id"] for job in self.ask(limit=1, worker="w2")}
        third = {job["id"] for job in self.ask(limit=1, poll="p2")}
        self.assertEqual(len(first | second | third), 3)

    def test_a_held_poll_asked_again_ends_with_204_and_the_newer_one_is_served(self):
        queue = fresh_name()
        client = self.new_client()
        path = f"/next-job?queue={queue}&worker={self.worker}&poll=p&wait=50"
        older = Task(lambda: client.get(path))
        newer_client = self.new_client()

        def ask_again():
            newer_client.send("GET", path.replace("wait=50", "wait=0.05"))
            older.join(0.05)
            return not older.is_alive()

        wait_until(ask_again, what="the end of the older poll")
        self.assertEqual(older.result().status, 204)
        newer = Task(lambda: newer_client.get(path))
        made = self.api.enqueue(queue=queue, type="t")
        self.assertEqual(newer.result().json["id"], made["id"])

    def test_post_next_job_knows_polls_too(self):
        body = {"queue": self.queue, "worker": self.worker, "poll": "p", "limit": 2}
        first = self.api.expect(200, "POST", "/next-job", body).json["jobs"]
        self.assertEqual([job["id"] for job in self.api.expect(200, "POST", "/next-job", body).json["jobs"]],
                         [job["id"] for job in first])


class APollAndARestart(FreshServerCase):
    def test_leases_of_a_poll_come_back_after_a_restart_and_after_a_kill(self):
        server = self.fresh_server()
        self.client_of(server).enqueue_many([{"type": "t", "queue": self.queue}] * 5)
        first = self.client_of(server).claim_many(self.queue, 3, worker="w", poll="p")
        for end in (server.stop, server.kill):
            end()
            server.start()
            again = self.client_of(server).claim_many(self.queue, 3, worker="w", poll="p")
            self.assertEqual([(job["id"], job["version"]) for job in again], [(job["id"], 2) for job in first])
        self.client_of(server).succeed(first[0])
        server.stop()


class TheEnd(FreshServerCase):
    def test_held_polls_are_answered_204_at_sigterm(self):
        server = self.fresh_server()
        clients = [self.client_of(server) for _ in range(8)]
        held = [Task(lambda c=client: c.get("/next-job?wait=60")) for client in clients]
        wait_until(lambda: self.client_of(server).get("/stats").json["held_polls"] == 8)
        server.stop()
        self.assertEqual([task.result().status for task in held], [204] * 8)

    def test_it_ends_promptly_with_idle_connections_open(self):
        server = self.fresh_server()
        for _ in range(8):
            self.client_of(server).get("/livez")
        idle = server.raw()
        self.addCleanup(idle.close)
        started = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - started, 20)


if __name__ == "__main__":
    unittest.main()
