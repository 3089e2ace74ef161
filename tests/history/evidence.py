# SPDX-License-Identifier: MIT
"""What a history says, sorted by what it says it about: the jobs, their versions, the reports, the claims.

A client may conclude this much and no more. What was answered took effect between the request and the answer (t0 to t1); what
was not answered took effect at any time after t0, or never. A job that an answer shows was so at one moment between t0 and t1.
A lease begins no earlier than its claim was asked, so until t0 + lease_ms it holds, and until t0 + lease_ms of every heartbeat
that was answered; nobody knows from outside when it really ends, only that it is later.
"""
import collections
import datetime
import json

TERMINAL = ("succeeded", "failed", "canceled")


class Request:
    """One asking: when, and how it ended."""

    def __init__(self, entry, outcome=None):
        self.t0, self.t1, self.n, self.do = entry["t0"], entry["t1"], entry["n"], entry["do"]
        self.outcome = outcome or entry["outcome"]
        self.answer = entry.get("answer")
        self.status = entry.get("status")


class Group:
    """The repetitions of one request. What it asked is the same in all of them."""

    def __init__(self, ask):
        self.ask, self.requests = ask, []

    def t0(self):
        return min(one.t0 for one in self.requests)

    def t1(self):
        return max(one.t1 for one in self.requests)

    def has(self, outcome):
        return any(one.outcome == outcome for one in self.requests)

    def first_ok(self):
        return min((one.t1 for one in self.requests if one.outcome == "ok"), default=None)


class Seen:
    """A job as an answer showed it."""

    def __init__(self, job, request):
        self.job, self.version, self.state, self.request = job, job["version"], job["state"], request


def moment(text):
    """Seconds since 1970 of the API's times."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Evidence:
    def __init__(self, lines):
        self.enqueues, self.claims, self.reports = {}, {}, {}
        self.reports_on, self.releases_on = collections.defaultdict(list), collections.defaultdict(list)
        self.beats, self.versions_of = collections.defaultdict(list), collections.defaultdict(set)
        self.cancels, self.retries = collections.defaultdict(list), collections.defaultdict(list)
        self.seen, self.missing = collections.defaultdict(list), collections.defaultdict(list)
        self.final, self.final_entry, self.counts = {}, None, None
        self.wall_zero, self.strange = 0.0, []
        self.total = collections.Counter()
        for line in lines:
            entry = json.loads(line) if isinstance(line, str) else line
            if entry["do"] == "begin":
                self.wall_zero = entry["wall_zero"]
            else:
                self.total[entry["outcome"]] += 1
                self.take(entry)

    def take(self, entry):
        if entry["status"] == 500:
            self.strange.append(entry)
        getattr(self, "take_" + entry["do"])(entry)

    def see(self, job, entry):
        self.seen[job["id"]].append(Seen(job, Request(entry)))

    def group(self, groups, key, ask, entry):
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(ask)
        group.requests.append(Request(entry))
        return group

    def see_all(self, entry):
        for job in (entry["answer"] or {}).get("jobs", []):
            self.see(job, entry)
        if "job" in (entry["answer"] or {}):
            self.see(entry["answer"]["job"], entry)

    def take_enqueue(self, entry):
        self.group(self.enqueues, entry["group"], entry["ask"], entry)
        self.see_all(entry)

    def take_claim(self, entry):
        self.group(self.claims, entry["ask"]["worker"], entry["ask"], entry)
        self.see_all(entry)

    def take_report(self, entry):
        results = (entry["answer"] or {}).get("results")
        for at, report in enumerate(entry["ask"]["reports"]):
            group = self.reports.get(report["tag"])
            if group is None:
                group = self.reports[report["tag"]] = Group(report)
                self.reports_on[report["id"], report["version"]].append(group)
                self.versions_of[report["id"]].add(report["version"])
            outcome = entry["outcome"]
            if results:
                outcome = "ok" if results[at]["status"] == 200 else "refused"
            group.requests.append(Request(entry, outcome))
            if (results[at]["status"] if results and outcome == "refused" else entry["status"]) == 404:
                self.missing[report["id"]].append(Request(entry))
        if "next" in entry["ask"]:
            self.group(self.claims, entry["ask"]["next"]["worker"], entry["ask"]["next"], entry)
        self.see_all(entry)

    def take_beat(self, entry):
        results = (entry["answer"] or {}).get("results")
        for at, beat in enumerate(entry["ask"]["beats"]):
            outcome = entry["outcome"]
            if results:
                outcome = "ok" if results[at]["status"] == 200 else "refused"
            self.beats[beat["id"], beat["version"]].append(Request(entry, outcome))

    def take_release(self, entry):
        group = Group(entry["ask"])
        group.requests.append(Request(entry))
        self.releases_on[entry["ask"]["id"], entry["ask"]["version"]].append(group)
        self.versions_of[entry["ask"]["id"]].add(entry["ask"]["version"])
        self.see_all(entry)

    def take_on_job(self, entry, place):
        if entry["status"] == 404:
            self.missing[entry["ask"]["id"]].append(Request(entry))
        if place is not None:
            place[entry["ask"]["id"]].append(Request(entry))
        self.see_all(entry)

    def take_cancel(self, entry):
        self.take_on_job(entry, self.cancels)

    def take_retry(self, entry):
        self.take_on_job(entry, self.retries)

    def take_get(self, entry):
        self.take_on_job(entry, None)

    def take_list(self, entry):
        pass

    def take_final(self, entry):
        self.final_entry = entry
        if entry["outcome"] == "ok":
            self.final[entry["ask"]["id"]] = entry["answer"]["job"]
        self.take_on_job(entry, None)

    def take_counts(self, entry):
        if entry["outcome"] == "ok":
            self.counts = entry["answer"]

    def wall(self, t):
        return t + self.wall_zero
