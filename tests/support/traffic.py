# SPDX-License-Identifier: MIT
"""Producers and consumers, single and in lists, that go on until the server is gone or takes nothing more, and write
down what it acknowledged; and the look that finds all of it again."""
import http.client
import threading

from parallel import Task
from shape import check_job

LOST = (OSError, http.client.HTTPException)
LEASE_MS = 3600000  # no job comes back while rounds go on


class Refused(Exception):
    """503: the server did not take it."""


def refusing(client):
    """The client, but that a 503 is an exception of its own."""
    call = client.call

    def checked(*arguments, **options):
        reply = call(*arguments, **options)
        if reply.status == 503:
            raise Refused(f"{arguments}: {reply}")
        return reply

    client.call = checked
    return client


class Load:
    """`made`: the ids that were given out. `held`: the version that each claimed job had then. `done`: the result of each
    report. `refused`: what was answered 503, at most one a task."""

    def __init__(self, server, queue, number, filler=""):
        self.server, self.queue, self.number, self.filler = server, queue, number, filler
        self.kind = {"type": "t", "queue": queue, "lease_ms": LEASE_MS}
        self.lock, self.asked_to_end = threading.Lock(), threading.Event()
        self.made, self.held, self.done, self.refused = [], {}, {}, []
        works = (self.single, self.single, self.lists, self.lists, self.consume, self.consume_lists)
        self.tasks = [Task(self.until_lost, work) for work in works]

    def until_lost(self, work):
        client = refusing(self.server.client())
        step = 0
        try:
            while not self.asked_to_end.is_set():
                work(client, step)
                step += 1
        except LOST:
            return
        except Refused as refused:
            with self.lock:
                self.refused.append(str(refused))
        finally:
            client.close()

    def single(self, client, step):
        payload = {"round": self.number, "step": step, "filler": self.filler}
        job = client.enqueue(**self.kind, payload=payload)
        with self.lock:
            self.made.append(job["id"])

    def lists(self, client, step):
        jobs = client.enqueue_many([{**self.kind, "payload": [step, i]} for i in range(20)])
        with self.lock:
            self.made += [job["id"] for job in jobs]

    def consume(self, client, step):
        job = client.claim(self.queue, worker="single")
        if job:
            with self.lock:
                self.held[job["id"]] = job["version"]
            client.succeed(job, result=step)
            with self.lock:
                self.done[job["id"]] = step

    def consume_lists(self, client, step):
        jobs = client.claim_many(self.queue, 10, worker="lists")
        if not jobs:
            return
        with self.lock:
            self.held.update({job["id"]: job["version"] for job in jobs})
        reports = [{"id": job["id"], "version": job["version"], "status": "succeeded", "result": step} for job in jobs]
        answer = client.expect(200, "POST", "/jobs/complete", {"completions": reports}).json
        with self.lock:
            self.done.update({one["id"]: step for one in answer["results"] if one["status"] == 200})

    def is_in_full_swing(self):
        with self.lock:
            return len(self.made) > 100 and len(self.done) > 10

    def is_over(self):
        return not any(task.is_alive() for task in self.tasks)

    def stop(self):
        """While the server is there."""
        self.asked_to_end.set()
        self.end()

    def end(self):
        for task in self.tasks:
            task.result()


class Ledger:
    """What was acknowledged, over all rounds."""

    def __init__(self, case, queue):
        self.case, self.queue = case, queue
        self.made, self.held, self.done = [], {}, {}

    def add(self, load):
        self.made += load.made
        self.held.update(load.held)
        self.done.update(load.done)

    def read(self, api):
        return {job["id"]: check_job(job) for job in api.all_jobs(queue=self.queue, limit=1000)}

    def lost(self, found):
        """The jobs, claims and reports that are not in what was read."""
        return ([job_id for job_id in self.made if job_id not in found],
                [job_id for job_id, version in self.held.items()
                 if job_id not in found or found[job_id]["version"] < version],
                [job_id for job_id, result in self.done.items()
                 if job_id not in found or found[job_id]["state"] != "succeeded" or found[job_id]["result"] != result])

    def check(self, api):
        found = self.read(api)
        self.case.assertEqual(self.lost(found), ([], [], []), "acknowledged jobs, claims or reports are gone")
        self.case.assertEqual({job["state"] for job in found.values()} - {"queued", "running", "succeeded"}, set())
        counts = api.queue(self.queue)["counts"]
        for state in ("queued", "running", "succeeded"):
            self.case.assertEqual(counts.get(state, 0), sum(job["state"] == state for job in found.values()), state)
        self.case.assertEqual(len(set(self.made)), len(self.made), "an id was given twice")
