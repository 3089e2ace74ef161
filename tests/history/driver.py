#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many clients that do at random what producers, workers and operators do, and write every request and answer down.

    driver.py --server URL [--server URL ...] --out FILE [--seconds N] [--clients N] [--seed N] [--queue Q]
    driver.py ... --finish       after the load: does every job that is left, then reads all of them (appended to FILE)

Half of what they do is wrong on purpose: stale versions, one lease reported by two, requests repeated, leases let go. What each
request carries (a job's payload, a lease's worker, a report's result or error code) names that request for good, so that the
checker finds in the end which of them took effect. A load that is asked to end (SIGTERM) ends after the requests that are out.
"""
import argparse
import collections
import json
import random
import signal
import sys
import threading
import time
import urllib.parse

from record import Asker, Book, brief

REQUEST_SECONDS = 20.0
LIVE_MAX = 400
LEASES_MS = (1000, 1000, 1500, 2000)


class Pool:
    """What the clients know of each other's jobs and leases."""

    def __init__(self):
        self.lock = threading.Lock()
        self.jobs = collections.deque(maxlen=400)
        self.leases, self.spent = [], collections.deque(maxlen=200)
        self.again = []  # requests without an answer, to be repeated as they were
        self.keys = [f"key-{i}" for i in range(12)]
        self.made = self.ended = 0

    def add_leases(self, jobs):
        with self.lock:
            self.leases += [(job["id"], job["version"]) for job in jobs]

    def pick_lease(self, rng):
        """Mostly taken out, so that nobody else reports it."""
        with self.lock:
            if not self.leases:
                return None
            at = rng.randrange(len(self.leases))
            lease = self.leases[at]
            if rng.random() < 0.85:
                self.leases[at] = self.leases[-1]
                self.leases.pop()
            self.spent.append(lease)
            return lease

    def pick_spent(self, rng):
        with self.lock:
            return rng.choice(self.spent) if self.spent else None

    def pick_job(self, rng):
        """Mostly a recent one, of which something is still to come."""
        with self.lock:
            recent = min(len(self.jobs), 30) if rng.random() < 0.7 else len(self.jobs)
            return self.jobs[-1 - rng.randrange(recent)] if recent else None


def digest_job(answer):
    return {"job": brief(answer)}


def digest_jobs(answer):
    return {"jobs": [brief(job) for job in answer["jobs"]]} if "jobs" in answer else {"jobs": [brief(answer)]}


def digest_reports(answer):
    return {"results": answer["results"], "jobs": [brief(job) for job in answer["jobs"]]}


class Client:
    """One of the many; a thread of its own."""

    def __init__(self, pool, asker, seed, name, queue):
        self.pool, self.asker, self.queue, self.name = pool, asker, queue, name
        self.rng, self.count = random.Random(seed), 0
        self.deeds = {
            self.enqueue: 18, self.enqueue_list: 4, self.claim: 18, self.report: 20, self.report_list: 5, self.beat: 6,
            self.beat_list: 2, self.release: 4, self.cancel: 4, self.retry: 4, self.report_stale: 4, self.beat_stale: 2,
            self.get: 6, self.let_go: 2,
        }

    def tag(self, letter):
        self.count += 1
        return f"{letter}-{self.name}-{self.count}"

    def step(self):
        if self.pool.again and self.rng.random() < 0.5:
            return self.repeat()
        deeds = self.deeds
        deed = self.rng.choices(list(deeds), list(deeds.values()))[0]
        if deed in (self.enqueue, self.enqueue_list) and self.pool.made - self.pool.ended > LIVE_MAX:
            deed = self.claim
        return deed()

    # Producers

    def new_job(self, tag, i, unique):
        rng = self.rng
        job = {"type": "t", "queue": self.queue, "payload": {"tag": tag, "i": i}, "lease_ms": rng.choice(LEASES_MS),
               "max_attempts": rng.choice((1, 2, 3, 5)), "timeout_ms": rng.choice((300, 2000, 900000, 900000)),
               "backoff": rng.choice(({"base_ms": 0}, {"base_ms": 50, "max_ms": 200}, {"base_ms": 0}))}
        if rng.random() < 0.15:
            job["delay_ms"] = rng.randrange(1, 800)
        if unique:
            job["unique_key"] = rng.choice(self.pool.keys)
        return job

    def enqueue(self):
        tag = self.tag("e")
        self.send_jobs(tag, [self.new_job(tag, 0, self.rng.random() < 0.25)], self.rng.random() < 0.4, True)

    def enqueue_list(self):
        tag, unique = self.tag("e"), self.rng.random() < 0.2
        jobs = [self.new_job(tag, i, unique and i == 0) for i in range(self.rng.randrange(1, 6))]
        self.send_jobs(tag, jobs, self.rng.random() < 0.4, False)

    def send_jobs(self, tag, jobs, keyed, single):
        headers = {"Idempotency-Key": tag} if keyed else {}
        outcome, answer = self.asker.ask("enqueue", {"jobs": jobs, "keyed": keyed}, "POST", "/jobs",
                                         jobs[0] if single else {"jobs": jobs}, headers, tag, digest_jobs)
        if outcome == "ok":
            made = answer["jobs"] if "jobs" in answer else [answer]
            with self.pool.lock:
                self.pool.jobs += [job["id"] for job in made]
                self.pool.made += len(made)
        if keyed and (outcome == "unknown" or (outcome == "ok" and self.rng.random() < 0.1)):
            self.later(lambda client: client.send_jobs(tag, jobs, keyed, single))

    def later(self, deed):
        with self.pool.lock:
            self.pool.again.append(deed)

    def repeat(self):
        with self.pool.lock:
            deed = self.pool.again.pop(self.rng.randrange(len(self.pool.again))) if self.pool.again else None
        if deed:
            deed(self)

    # Workers

    def claim(self):
        tag = self.tag("w")
        parameters = {"queue": self.queue, "worker": tag}
        if self.rng.random() < 0.5:
            parameters["limit"] = self.rng.randrange(1, 6)
        if self.rng.random() < 0.5:
            parameters["poll"] = tag
        if self.rng.random() < 0.4:
            parameters["wait"] = round(self.rng.random() * 0.3, 3)
        self.send_claim(tag, parameters)

    def send_claim(self, tag, parameters):
        asked = {"worker": tag, "limit": parameters.get("limit", 1), "poll": "poll" in parameters}
        outcome, answer = self.asker.ask("claim", asked, "GET", "/next-job?" + urllib.parse.urlencode(parameters), None, None, tag,
                                         digest_jobs)
        if outcome == "ok" and answer:
            self.pool.add_leases(answer["jobs"] if "jobs" in answer else [answer])
        if "poll" in parameters and (outcome == "unknown" or (outcome == "ok" and self.rng.random() < 0.1)):
            self.later(lambda client: client.send_claim(tag, parameters))

    def new_report(self, lease, tag):
        report = {"id": lease[0], "version": lease[1]}
        if self.rng.random() < 0.6:
            return {**report, "status": "succeeded", "result": {"tag": tag}}
        report.update(status="failed", error={"code": tag, "message": "as drawn"})
        if self.rng.random() < 0.2:
            report["retry"] = False
        if self.rng.random() < 0.4:
            report["retry_in_ms"] = self.rng.choice((0, 0, 100, 500))
        return report

    def report(self):
        lease, tag = self.pool.pick_lease(self.rng), self.tag("r")
        if lease:
            self.send_report(tag, self.new_report(lease, tag))

    def report_stale(self):
        lease, tag = self.pool.pick_spent(self.rng), self.tag("r")
        if lease:
            version = lease[1] + self.rng.choice((0, 0, 0, -1, 1))
            self.send_report(tag, self.new_report((lease[0], max(1, version)), tag))

    def send_report(self, tag, report):
        body = {name: value for name, value in report.items() if name != "id"}
        outcome, _ = self.asker.ask("report", {"reports": [{**report, "tag": tag}]}, "POST", f"/jobs/{report['id']}/complete", body,
                                    None, tag, digest_job)
        if outcome == "ok":
            self.pool.ended += report["status"] == "succeeded"
        if outcome == "unknown" or (outcome == "ok" and self.rng.random() < 0.08):
            self.later(lambda client: client.send_report(tag, report))

    def report_list(self):
        tag, reports = self.tag("r"), []
        for i in range(self.rng.randrange(0, 5)):
            lease = self.pool.pick_lease(self.rng)
            if lease and lease[0] not in [one["id"] for one in reports]:
                reports.append({**self.new_report(lease, f"{tag}.{i}"), "tag": f"{tag}.{i}"})
        following = {"queue": self.queue, "limit": self.rng.randrange(1, 5), "worker": tag, "poll": tag}
        self.send_list(tag, reports, following if self.rng.random() < 0.7 else None)

    def send_list(self, tag, reports, following):
        body = {"completions": [{name: value for name, value in one.items() if name != "tag"} for one in reports]}
        asked = {"reports": reports}
        if following:
            body["next"], asked["next"] = following, {"worker": tag, "limit": following["limit"], "poll": True}
        outcome, answer = self.asker.ask("report", asked, "POST", "/jobs/complete", body, None, tag, digest_reports)
        if outcome == "ok":
            self.pool.add_leases(answer["jobs"])
        if outcome == "unknown":
            self.later(lambda client: client.send_list(tag, reports, following))

    def beat(self):
        with self.pool.lock:
            lease = self.rng.choice(self.pool.leases) if self.pool.leases else None
        self.send_beat(lease)

    def beat_stale(self):
        self.send_beat(self.pool.pick_spent(self.rng))

    def send_beat(self, lease):
        if lease:
            body = {"version": lease[1], "progress": {"percent": self.rng.randrange(100)}}
            self.asker.ask("beat", {"beats": [{"id": lease[0], "version": lease[1]}]}, "POST", f"/jobs/{lease[0]}/heartbeat", body,
                           digest=lambda answer: {"cancel_requested": answer["cancel_requested"]})

    def beat_list(self):
        with self.pool.lock:
            leases = self.rng.sample(self.pool.leases, min(len(self.pool.leases), 4))
        beats = [{"id": job_id, "version": version} for job_id, version in dict(leases).items()]
        if beats:
            self.asker.ask("beat", {"beats": beats}, "POST", "/jobs/heartbeat", {"heartbeats": beats},
                           digest=lambda answer: {"results": answer["results"]})

    def release(self):
        lease = self.pool.pick_lease(self.rng)
        if lease:
            delay = self.rng.choice((0, 0, 100, 400))
            self.asker.ask("release", {"id": lease[0], "version": lease[1], "delay_ms": delay}, "POST", f"/jobs/{lease[0]}/release",
                           {"version": lease[1], "delay_ms": delay}, digest=digest_job)

    def let_go(self):
        """A worker that dies: its lease runs out."""
        self.pool.pick_lease(self.rng)

    # Operators

    def operate(self, what):
        job_id = self.pool.pick_job(self.rng)
        if job_id:
            self.asker.ask(what, {"id": job_id}, "POST", f"/jobs/{job_id}/{what}", digest=digest_job)

    def cancel(self):
        self.operate("cancel")

    def retry(self):
        self.operate("retry")

    def get(self):
        job_id = self.pool.pick_job(self.rng)
        if job_id:
            self.asker.ask("get", {"id": job_id}, "GET", f"/jobs/{job_id}", digest=digest_job)


def load(options, book):
    pool, stop, until = Pool(), threading.Event(), time.monotonic() + options.seconds
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    askers = [Asker(options.server, book, number, REQUEST_SECONDS) for number in range(options.clients)]

    def work(number):
        client = Client(pool, askers[number], f"{options.seed}-{number}", f"{options.name}{number}", options.queue)
        while not stop.is_set() and time.monotonic() < until:
            lines = askers[number].lines
            client.step()
            if askers[number].lines == lines:
                stop.wait(0.005)  # nobody there, or nothing to do
            elif options.pause:
                stop.wait(client.rng.random() * 2 * options.pause)
        askers[number].close()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(options.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"requests": sum(one.lines for one in askers), "failed": sum(one.failed for one in askers)}


class Finisher:
    """Does every job that is left, then reads all of them."""

    def __init__(self, options, book):
        self.options, self.asker = options, Asker(options.server, book, 999, REQUEST_SECONDS)
        self.until = time.monotonic() + options.seconds

    def ask(self, *arguments, **options):
        """Until there is an answer; only what may be repeated is asked here."""
        while time.monotonic() < self.until:
            outcome, answer = self.asker.ask(*arguments, **options)
            if outcome == "ok":
                return answer
            time.sleep(0.05)
        raise SystemExit(f"no answer to {arguments[:4]} within the time")

    def pages(self, what, **filters):
        cursor, seen = {}, []
        while True:
            query = urllib.parse.urlencode({"queue": self.options.queue, "limit": 1000, **filters, **cursor})
            page = self.ask(what, {}, "GET", "/jobs?" + query, digest=lambda answer: {})
            seen += page["jobs"]
            if not page.get("next_cursor"):
                return seen
            cursor = {"cursor": page["next_cursor"]}

    def drain(self):
        for number in range(1000000):
            tag = f"d-{number}"
            query = urllib.parse.urlencode({"queue": self.options.queue, "worker": tag, "poll": tag, "limit": 100, "wait": 0.2})
            answer = self.ask("claim", {"worker": tag, "limit": 100, "poll": True}, "GET", "/next-job?" + query, group=tag,
                              digest=digest_jobs)
            jobs = answer["jobs"] if answer else []
            reports = [{"id": job["id"], "version": job["version"], "status": "succeeded", "result": {"tag": f"{tag}.{job['id']}"}}
                       for job in jobs]
            if reports:
                asked = {"reports": [{**one, "tag": one["result"]["tag"]} for one in reports]}
                self.ask("report", asked, "POST", "/jobs/complete", {"completions": reports}, group=f"{tag}.r", digest=digest_reports)
            elif not any(self.pages("list", state=state) for state in ("running", "scheduled", "queued")):
                return  # in the order in which they go on by themselves, so that none slips from one list into one read before

    def read(self):
        jobs = self.pages("list")
        for job in jobs:
            self.ask("final", {"id": job["id"]}, "GET", f"/jobs/{job['id']}", digest=digest_job)
        self.ask("counts", {}, "GET", "/queues/" + self.options.queue, digest=lambda answer: answer["counts"])
        return len(jobs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", required=True, metavar="URL")
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long; with --finish at most (10)")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.0, help="mean seconds between two requests of a client (0)")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--queue", default="history")
    parser.add_argument("--name", default="c", help="beginning of the clients' names, other in each load of one history")
    parser.add_argument("--append", action="store_true", help="to a history that there is")
    parser.add_argument("--finish", action="store_true")
    options = parser.parse_args()
    book = Book(options.out, options.append or options.finish)
    try:
        if options.finish:
            finisher = Finisher(options, book)
            finisher.drain()
            told = {"jobs": finisher.read()}
        else:
            told = load(options, book)
    finally:
        book.close()
    print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
