#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves from a history, or says where it was broken:

    lost      a job or a move that was acknowledged is there in the end
    phantom   nothing is there that nobody asked for
    overlap   no two leases of a job at once, none ended before it could have run out
    stale     a report, release or heartbeat counted only under the lease of its version, and one of them ended it
    finished  no job ran after it was finished, but for a retry
    keys      an idempotency key and a unique key made one job; a list was made whole or not at all
    cancel    a cancel that was acknowledged holds
    moves     the moves allow the way each job went; order: what was seen of it goes forward only
    counts    the queue's counters are those of its jobs; answer: nothing was answered 500

    check.py FILE       prints what it has proved, or one line for each thing that is wrong; exit status 0 or 1
"""
import collections
import sys

from chain import Broken, Chain, FAR
from evidence import TERMINAL, Evidence, moment

KEY_SLACK = 0.002  # seconds: created_at and finished_at are cut to milliseconds


class Check:
    def __init__(self, lines):
        self.evidence = Evidence(lines)
        self.broken = []
        self.chains = {}

    def run(self):
        for rule in (self.check_answers, self.check_jobs, self.check_enqueues, self.check_keys, self.check_leases, self.check_end):
            rule()
        return self.broken

    def note(self, rule, text, job_id=None):
        self.broken.append((rule, f"job {job_id}: {text}" if job_id is not None else text))

    def check_answers(self):
        for entry in self.evidence.strange:
            self.note("answer", f"request {entry['n']} ({entry['do']}) was answered {entry['status']}: {entry.get('why')}")

    def check_jobs(self):
        final = self.evidence.final
        for job_id in set(self.evidence.seen) - set(final):
            sight = self.evidence.seen[job_id][0]
            self.note("lost", f"was there at version {sight.version} ({sight.request.n}) and is gone", job_id)
        for job_id in set(self.evidence.missing) & (set(self.evidence.seen) | set(final)):
            self.note("lost", f"was not found ({self.evidence.missing[job_id][0].n})", job_id)
        for job_id, job in sorted(final.items()):
            try:
                chain = self.chains[job_id] = Chain(self.evidence, job)
                chain.check()
            except Broken as broken:
                self.note(broken.rule, broken.text, job_id)

    def made_by_tag(self):
        made = collections.defaultdict(list)
        for job_id, job in self.evidence.final.items():
            payload = job.get("payload")
            if isinstance(payload, dict):
                made[payload.get("tag"), payload.get("i")].append(job_id)
        return made

    def check_enqueues(self):
        made = self.made_by_tag()
        for tag, group in self.evidence.enqueues.items():
            wanted = group.ask["jobs"]
            there = [made.get((tag, i), []) for i in range(len(wanted))]
            for i, ids in enumerate(there):
                if len(ids) > 1:
                    self.note("keys", f"one request made jobs {ids} ({tag}, {i})")
            plain = {bool(ids) for ids, job in zip(there, wanted) if not job.get("unique_key")}
            if len(plain) > 1:
                self.note("keys", f"of the list {tag} some were made and some not: {there}")
            answers = [[(job["id"], bool(job.get("existing"))) for job in one.answer["jobs"]]
                       for one in group.requests if one.outcome == "ok"]
            if not answers:
                if not group.has("unknown") and any(there):
                    self.note("phantom", f"{tag} was refused and made {there}")
                continue
            self.check_answered(tag, group, answers, there)

    def check_answered(self, tag, group, answers, there):
        if any(one != answers[0] for one in answers):
            self.note("keys", f"{tag}, repeated under its key, was answered {answers}")
        for i, (job_id, existing) in enumerate(answers[0]):
            if not existing and there[i] != [job_id]:
                self.note("lost", f"acknowledged to {tag}, {i}; what it made in the end: {there[i]}", job_id)
            if existing and there[i]:
                self.note("keys", f"{tag}, {i} was told of job {job_id} and made {there[i]}")
            if existing and job_id in self.evidence.final:
                wanted, job = group.ask["jobs"][i], self.evidence.final[job_id]
                if (wanted.get("unique_key"), wanted["queue"]) != (job.get("unique_key"), job["queue"]):
                    self.note("keys", f"{tag}, {i} was told of it under another key", job_id)

    def check_keys(self):
        """Of those with the same unique key one lives at a time."""
        alike = collections.defaultdict(list)
        for job_id, job in self.evidence.final.items():
            if job.get("unique_key") and job_id in self.chains:
                alike[job["queue"], job["unique_key"]].append(job_id)
        for (_, key), ids in alike.items():
            self.check_times(key, ids)
            times = sorted((begin, end, job_id) for job_id in ids for begin, end in self.chains[job_id].live_times() if begin < end)
            for (_, end, one), (begin, _, other) in zip(times, times[1:]):
                if begin < end and one != other:
                    self.note("keys", f"lived beside job {one} under the key {key}", other)

    def made_within(self, job):
        """Seconds, from its created_at; FAR where no answer says so."""
        payload = job.get("payload")
        group = self.evidence.enqueues.get(payload.get("tag")) if isinstance(payload, dict) else None
        answered = [one.t1 for one in group.requests if one.outcome == "ok"] if group else []
        return min(answered) - group.requests[0].t0 if answered else FAR

    def check_times(self, key, ids):
        """By the database's own times, for those that were never retried. A job is there from its commit on, which its request waited for:
        created_at is read before."""
        retried = {job_id for job_id, requests in self.evidence.retries.items() if any(one.outcome != "refused" for one in requests)}
        spans = [(moment(job["created_at"]) + self.made_within(job), moment(job["finished_at"]) if job.get("finished_at") else FAR, job["id"])
                 for job in (self.evidence.final[job_id] for job_id in ids if job_id not in retried)]
        times = sorted(span for span in spans if span[0] < span[1])  # else it may have been there for no time that is certain
        for (_, end, one), (begin, _, other) in zip(times, times[1:]):
            if begin + KEY_SLACK < end:
                self.note("keys", f"was made while job {one} lived under the key {key}", other)

    def check_leases(self):
        """A lease is given to one request (and its repetitions)."""
        holders = {}
        for worker, group in self.evidence.claims.items():
            for request in group.requests:
                for job in (request.answer or {}).get("jobs", []):
                    first = holders.setdefault((job["id"], job["version"]), (worker, request.n))
                    if first[0] != worker:
                        self.note("overlap", f"version {job['version']} was leased to {first[0]} ({first[1]}) and to {worker} "
                                             f"({request.n})", job["id"])

    def check_end(self):
        states = collections.Counter(job["state"] for job in self.evidence.final.values())
        for job_id, job in self.evidence.final.items():
            if job["state"] not in TERMINAL:
                self.note("moves", f"is {job['state']} after everything was done", job_id)
        if self.evidence.counts is not None:
            counted = {state: count for state, count in self.evidence.counts.items() if count}
            if counted != dict(states):
                self.note("counts", f"the queue counts {counted}, its jobs are {dict(states)}")

    def doubts(self):
        """Of the requests that were never answered: how many there are, and how many turn out to have happened."""
        evidence, traces = self.evidence, set()
        for job in evidence.final.values():
            traces.add((job.get("payload") or {}).get("tag"))
            traces.add((job.get("result") or {}).get("tag"))
            for row in job.get("attempts", []):
                traces |= {row["worker"], (row.get("error") or {}).get("code")}
        open_ones = [name for groups in (evidence.enqueues, evidence.claims, evidence.reports) for name, group in groups.items()
                     if group.has("unknown") and not group.has("ok")]
        return len(open_ones), sum(name in traces for name in open_ones)

    def summary(self):
        total, evidence = self.evidence.total, self.evidence
        moves = sum(job["version"] for job in evidence.final.values())
        asked, happened = self.doubts()
        return (f"{sum(total.values())} requests ({total['ok']} done, {total['refused']} refused, {total['unknown']} in doubt, of which "
                f"{asked} stayed so and {happened} of these happened), "
                f"{len(evidence.final)} jobs, {moves} moves, {sum(len(job.get('attempts', [])) for job in evidence.final.values())} attempts")


def check_file(path):
    with open(path, encoding="utf-8") as file:
        check = Check(file)
    return check, check.run()


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    check, broken = check_file(sys.argv[1])
    for rule, text in broken:
        print(f"{rule}: {text}")
    print(f"{check.summary()}: {len(broken)} broken" if broken else f"{check.summary()}: all rules hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
