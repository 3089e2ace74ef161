# SPDX-License-Identifier: MIT
"""A store with something of everything, made through the API, and all that the API tells of it."""
import urllib.parse

from waiting import wait_until

KEYS = {"job": "one-job", "list": "a-list"}
LIST = {"jobs": [{"type": "listed", "queue": "lists", "payload": n} for n in range(20)]}
ONE = {"type": "keyed", "queue": "lists", "payload": {"n": 1}}
UNIQUE = {"type": "u", "queue": "unique", "unique_key": "held", "payload": "first"}
LATER_MS = 3600000


def keyed(api, name, body):
    return api.call("POST", "/jobs", body, {"Idempotency-Key": KEYS[name]})


class Filled:
    """Beside what is only there to be compared: jobs that the test goes on with, by name, as they were when their lease began."""

    def __init__(self, api):
        self.api, self.leases = api, {}
        self.reports = {}  # what was reported of jobs that have ended, and the answer
        self._waiting()
        self._running()
        self._ended()
        self._keys()
        self._queues()

    def _started(self, queue="work", worker="w1", poll=None, **fields):
        made = self.api.enqueue(**{"queue": queue, "type": "t", "payload": {"of": queue, "text": "\u20ac \u0000 \\ \" \U0001f600"}, **fields})
        job = self.api.claim(queue, worker=worker, **({"poll": poll} if poll else {}))
        assert job["id"] == made["id"], (job, made)
        return job

    def _again(self, job):
        """A job that failed and may be claimed at once, claimed."""
        self.api.fail(job, retry_in_ms=0)
        return self.api.claim(job["queue"], worker="w2")

    def _waiting(self):
        self.api.enqueue_many([{"type": f"t{n % 3}", "queue": "ready", "priority": n % 5 - 2, "payload": [n] * n, "tags": ["red", f"n{n}"],
                                "batch": "b1", "timeout_ms": 1000 + n, "max_attempts": 1 + n} for n in range(30)])
        self.api.expect(201, "POST", "/jobs", {"type": "t", "queue": "ready", "backoff": {"base_ms": 0, "factor": 1.5, "max_ms": 77, "jitter": 0.25}},
                        {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
        self.api.enqueue(type="t", queue="later", delay_ms=LATER_MS)
        self.api.fail(self._started("later"), retry_in_ms=LATER_MS)
        self.api.fail(self._started("backoff", backoff={"base_ms": LATER_MS}), error={"code": "c" * 100, "message": "m" * 500, "trace": "t\n" * 50})
        self.api.fail(self._again(self._started("tried")), retry_in_ms=0)
        self.api.expect(200, "POST", "/jobs/bulk", {"action": "cancel", "filter": {"queue": "none"}})
        released = self._started("released")
        self.api.expect(200, "POST", f"/jobs/{released['id']}/release", {"version": released["version"]})

    def _running(self):
        for name, fields in (("report", {}), ("beat", {}), ("cancel", {}), ("release", {}), ("later", {"max_attempts": 5})):
            self.leases[name] = self._started(f"running-{name}", **fields)
        beat = self.leases["beat"]
        for piece in range(8):
            self.api.expect(200, "POST", f"/jobs/{beat['id']}/heartbeat",
                            {"version": beat["version"], "progress": {"percent": piece, "message": "so far"}, "log": f"piece {piece}\n" * 900})
        self.api.cancel(self.leases["cancel"]["id"])
        self.api.enqueue_many([{"type": "t", "queue": "polled", "payload": n} for n in range(5)])
        self.polled = self.api.claim_many("polled", 3, worker="poller", poll="p1")
        self.leases["again"] = self._again(self._started("again"))

    def _ended(self):
        for name, report in (("succeeded", {"status": "succeeded", "result": {"deep": [[[1]]]}}), ("nothing", {"status": "succeeded"}),
                             ("failed", {"status": "failed", "error": {"code": "bad"}, "retry": False})):
            job = self._started(f"ended-{name}", tags=["blue"], batch="b2")
            body = {"version": job["version"], **report}
            reply = self.api.expect(200, "POST", f"/jobs/{job['id']}/complete", body)
            self.reports[name] = (job["id"], body, reply.json)
        job = self._started("ended-often", max_attempts=4)
        for _ in range(3):
            job = self._again(job)
        self.api.fail(job)
        self.api.cancel(self.api.enqueue(type="t", queue="ended-canceled")["id"])
        canceled = self._started("ended-asked")
        self.api.cancel(canceled["id"])
        self.api.fail(canceled)
        retried = self.api.enqueue(type="t", queue="retried")
        self.api.cancel(retried["id"])
        self.api.retry(retried["id"])
        late = self._started("late", timeout_ms=100, max_attempts=1)
        lost = self._started("lost", lease_ms=1000, max_attempts=1)
        for job in (late, lost):
            wait_until(lambda job=job: self.api.job(job["id"])["state"] == "failed", timeout=60)

    def _keys(self):
        self.keyed = {"job": keyed(self.api, "job", ONE).json, "list": keyed(self.api, "list", LIST).json}
        self.unique = self.api.expect(201, "POST", "/jobs", UNIQUE).json
        self.api.enqueue(queue="unique-running", type="u", unique_key="runs")
        self.leases["unique"] = self.api.claim("unique-running", worker="w1")
        ended = self._started("unique-ended", unique_key="free")
        self.api.succeed(ended)

    def _queues(self):
        for queue, paused in (("paused", True), ("paused-empty", True), ("resumed", True), ("resumed", False)):
            self.api.expect(200, "PATCH", f"/queues/{queue}", {"paused": paused})
        self.api.enqueue_many([{"type": "t", "queue": "paused"}] * 3)
        last = self.api.enqueue(type="t", queue="deleted")
        self.api.cancel(last["id"])
        self.api.expect(204, "DELETE", f"/jobs/{last['id']}")
        self.last_id = last["id"]


def everything(api):
    """Each answer by its path."""
    jobs = api.all_jobs(limit=100)
    found = {f"/jobs/{job['id']}": api.job(job["id"]) for job in jobs}
    for parameters in ({"limit": 7}, {"batch": "b1", "limit": 11}, {"batch": "b2"}, {"tag": "red", "limit": 9}, {"tag": "blue"}, {"type": "t1"},
                       {"queue": "lists", "limit": 3}, {"queue": "ready", "state": "queued"}, {"state": "running"}, {"state": "scheduled"},
                       {"state": "failed"}, {"state": "canceled"}, {"state": "succeeded"}):
        pages = api.all_jobs(**parameters)
        found["/jobs?" + urllib.parse.urlencode(parameters)] = {f"{at} {job['id']}": job for at, job in enumerate(pages)}
    queues = api.get("/queues").json["queues"]
    for queue in queues:
        assert queue["oldest_ready_age_ms"] >= 0, queue
        assert (queue["oldest_ready_age_ms"] > 0) <= (queue["counts"]["queued"] > 0), queue
        del queue["oldest_ready_age_ms"]
    stats = api.get("/stats").json
    return found, queues, {"total": stats["total"], "states": stats["states"]}
