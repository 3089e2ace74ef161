# SPDX-License-Identifier: MIT
"""Histories told by hand, right ones and wrong ones, to try the checker on."""
import datetime

from check import Check

WALL_ZERO = 1700000000.0
STEP, GAP = 0.010, 0.001


def at(t):
    text = datetime.datetime.fromtimestamp(WALL_ZERO + t, datetime.timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class Story:
    """Every request takes a step of the clock; later(seconds) lets time go by."""

    def __init__(self):
        self.t, self.lines, self.new_jobs, self.last = 1.0, [{"do": "begin", "wall_zero": WALL_ZERO}], {}, {}
        self.ends, self.begun, self.made_at = {}, {}, {}

    def later(self, seconds):
        self.t += seconds

    def ask(self, what, ask, answer=None, outcome="ok", status=200, group=None, t0=None):
        self.t += GAP
        begin = self.t if t0 is None else t0
        self.t += STEP
        entry = {"n": len(self.lines), "do": what, "ask": ask, "t0": begin, "t1": self.t, "outcome": outcome, "answer": answer,
                 "status": {"ok": status, "refused": 409, "unknown": None}[outcome]}
        if group:
            entry["group"] = group
        self.lines.append(entry)
        return entry

    def job(self, job_id, version, state, attempt, worker=None, **more):
        """A job as an answer shows it."""
        new_job = self.new_jobs[job_id]
        shown = {"id": job_id, "queue": new_job["queue"], "type": "t", "state": state, "version": version, "attempt": attempt,
                 "max_attempts": new_job["max_attempts"], "payload": new_job["payload"], "cancel_requested": False,
                 "created_at": at(self.made_at[job_id]), "run_at": at(self.made_at[job_id]), **more}
        if worker:
            shown["worker"] = worker
        if "unique_key" in new_job:
            shown["unique_key"] = new_job["unique_key"]
        self.last[job_id] = shown
        return shown

    # Requests

    def enqueue(self, tag, *ids, outcome="ok", key=False, made=None, existing=None, **fields):
        """Jobs of one request. `made`: those that came about, where no answer says so."""
        wanted = [{"type": "t", "queue": "q", "payload": {"tag": tag, "i": i}, "lease_ms": 1000, "timeout_ms": 900000, "max_attempts": 3,
                   "backoff": {"base_ms": 0}, **fields} for i in range(len(ids))]
        for job_id, job in zip(ids, wanted):
            if not existing and (outcome == "ok" or job_id in (made or ())):
                self.new_jobs[job_id] = job
                self.made_at.setdefault(job_id, self.t)
        state = "scheduled" if fields.get("delay_ms") else "queued"
        answer = None
        if outcome == "ok":
            answer = {"jobs": [existing] if existing else [self.job(job_id, 1, state, 0) for job_id in ids]}
        self.ask("enqueue", {"jobs": wanted, "keyed": key}, answer, outcome, 201, tag)

    def claim(self, worker, *leases, outcome="ok", t0=None):
        """Leases: (id, version, attempt)."""
        jobs = [self.job(job_id, version, "running", attempt, worker) for job_id, version, attempt in leases]
        for job_id, _, _ in leases:
            self.begun[job_id, worker] = self.t
        self.ask("claim", {"worker": worker, "limit": 5, "poll": True}, {"jobs": jobs} if outcome == "ok" else None, outcome,
                 group=worker, t0=t0)

    def succeed(self, tag, job_id, version, outcome="ok", shows=None, t0=None, attempt=1, worker="w1", **more):
        report = {"id": job_id, "version": version, "status": "succeeded", "result": {"tag": tag}, "tag": tag}
        answer = None
        if outcome == "ok":
            answer = {"job": shows or self.job(job_id, version + 1, "succeeded", attempt, worker, result={"tag": tag}, **more)}
        self.ask("report", {"reports": [report]}, answer, outcome, group=tag, t0=t0)

    def fail(self, tag, job_id, version, state="queued", attempt=1, outcome="ok", worker="w1", **wish):
        report = {"id": job_id, "version": version, "status": "failed", "error": {"code": tag}, "tag": tag, **wish}
        answer = {"job": self.job(job_id, version + 1, state, attempt, worker)} if outcome == "ok" else None
        self.ask("report", {"reports": [report]}, answer, outcome, group=tag)

    def beat(self, job_id, version, outcome="ok", t0=None):
        self.ask("beat", {"beats": [{"id": job_id, "version": version}]}, {} if outcome == "ok" else None, outcome, t0=t0)

    def release(self, job_id, version, attempt=0, outcome="ok", worker="w1"):
        answer = {"job": self.job(job_id, version + 1, "queued", attempt, worker)} if outcome == "ok" else None
        self.ask("release", {"id": job_id, "version": version, "delay_ms": 0}, answer, outcome)

    def operate(self, what, job_id, version=None, state=None, attempt=0, outcome="ok", worker=None, asked=False):
        answer = {"job": self.job(job_id, version, state, attempt, worker, cancel_requested=asked)} if outcome == "ok" else None
        self.ask(what, {"id": job_id}, answer, outcome)

    def get(self, job_id, version, state, attempt=0, worker=None, t0=None, **more):
        self.ask("get", {"id": job_id}, {"job": self.job(job_id, version, state, attempt, worker, **more)}, t0=t0)

    def gone(self, what, job_id):
        self.ask(what, {"id": job_id}, None, "refused")["status"] = 404

    # The end

    def attempt(self, worker, outcome, number=1, code=None, begun=None, over=None):
        row = {"attempt": number, "worker": worker, "outcome": outcome, "started_at": at(begun or self.t), "finished_at": at(over or self.t)}
        if code:
            row["error"] = {"code": code}
        return row

    def final(self, job_id, version, state, attempts=(), attempt=0, worker=None, **more):
        over = {"finished_at": at(self.t)} if state in ("succeeded", "failed", "canceled") else {}
        job = self.job(job_id, version, state, attempt, worker, attempts=list(attempts), **{**over, **more})
        self.ask("final", {"id": job_id}, {"job": job})

    def counts(self, **counts):
        self.ask("counts", {}, counts)

    def broken(self):
        check = Check(self.lines)
        self.texts = check.run()
        return sorted({rule for rule, _ in self.texts})


def done_once(story, job_id=1, tag="e", worker="w1"):
    """A job that was made, claimed and done: the usual beginning."""
    story.enqueue(tag, job_id)
    story.claim(worker, (job_id, 2, 1))
    story.succeed("r" + tag, job_id, 2, worker=worker)


def done_row(story, worker="w1", number=1):
    return story.attempt(worker, "succeeded", number)
