# SPDX-License-Identifier: MIT
"""kill -9 of the server in mid-load, ten times over: every job that was acknowledged is found again, every report stays."""
import http.client
import os
import sqlite3
import threading
import unittest

from harness import FreshServerCase
from parallel import Task
from shape import check_job
from waiting import wait_until

ROUNDS = 10
LOST = (OSError, http.client.HTTPException)


class Load:
    """Producers and consumers that go on until the server is gone, and write down what it acknowledged."""

    def __init__(self, server, queue, number):
        self.server, self.queue, self.number = server, queue, number
        self.lock = threading.Lock()
        self.made, self.done, self.errors = [], {}, []
        self.tasks = [Task(self.until_lost, work) for work in (self.single, self.single, self.lists, self.lists, self.consume, self.consume_lists)]

    def until_lost(self, work):
        client = self.server.client()
        step = 0
        try:
            while True:
                work(client, step)
                step += 1
        except LOST:
            return
        finally:
            client.close()

    def single(self, client, step):
        job = client.enqueue(type="t", queue=self.queue, payload={"round": self.number, "step": step})
        with self.lock:
            self.made.append(job["id"])

    def lists(self, client, step):
        jobs = client.enqueue_many([{"type": "t", "queue": self.queue, "payload": [step, i]} for i in range(20)])
        with self.lock:
            self.made += [job["id"] for job in jobs]

    def consume(self, client, step):
        job = client.claim(self.queue, worker="single")
        if job:
            client.succeed(job, result=step)
            with self.lock:
                self.done[job["id"]] = step

    def consume_lists(self, client, step):
        jobs = client.claim_many(self.queue, 10, worker="lists")
        reports = [{"id": job["id"], "version": job["version"], "status": "succeeded", "result": step} for job in jobs]
        answer = client.expect(200, "POST", "/jobs/complete", {"completions": reports}).json
        with self.lock:
            self.done.update({one["id"]: step for one in answer["results"] if one["status"] == 200})

    def is_in_full_swing(self):
        with self.lock:
            return len(self.made) > 100 and len(self.done) > 10

    def end(self):
        for task in self.tasks:
            task.result()


class KilledInMidLoad(FreshServerCase):
    def check(self, api, made, done):
        found = {job["id"]: check_job(job) for job in api.all_jobs(queue=self.queue, limit=1000)}
        lost = [job_id for job_id in made if job_id not in found]
        self.assertEqual(lost, [], "jobs that were acknowledged are gone")
        undone = [job_id for job_id, result in done.items()
                  if (found[job_id]["state"], found[job_id]["result"]) != ("succeeded", result)]
        self.assertEqual(undone, [], "reports that were acknowledged are gone")
        self.assertEqual({job["state"] for job in found.values()} - {"queued", "running", "succeeded"}, set())
        counts = api.queue(self.queue)["counts"]
        for state in ("queued", "running", "succeeded"):
            self.assertEqual(counts.get(state, 0), sum(job["state"] == state for job in found.values()), state)

    def test_every_acknowledged_job_and_report_is_found_again(self):
        server = self.fresh_server(fast=False)
        made, done = [], {}
        for number in range(ROUNDS):
            load = Load(server, self.queue, number)
            wait_until(load.is_in_full_swing, timeout=60)
            server.kill()
            load.end()
            made += load.made
            done.update(load.done)
            server.start()
            api = self.client_of(server)
            self.check(api, made, done)
        self.assertEqual(len(set(made)), len(made), "an id was given twice")
        server.stop()
        if "TASKQ_TEST_DB" not in os.environ:
            database = sqlite3.connect(f"file:{server.db}?mode=ro", uri=True)
            self.addCleanup(database.close)
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")

    def test_what_was_leased_when_it_died_is_done_once_its_lease_is_over(self):
        server = self.fresh_server("--sweep-interval", "50ms")
        api = self.client_of(server)
        made = api.enqueue_many([{"type": "t", "queue": self.queue, "lease_ms": 1000, "backoff": {"base_ms": 0}}] * 20)
        self.assertEqual(len(api.claim_many(self.queue, 20, worker="gone")), 20)
        server.kill()
        server.start()
        api, seen = self.client_of(server), []
        while len(seen) < 20:
            jobs = api.claim_many(self.queue, 20, wait=30)
            seen += [(job["id"], job["attempt"]) for job in jobs]
        self.assertEqual(sorted(seen), [(job["id"], 2) for job in made])
        server.stop()


if __name__ == "__main__":
    unittest.main()
