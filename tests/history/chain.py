# SPDX-License-Identifier: MIT
"""One job from its first version to its last: is there a row of allowed moves that explains all that was seen of it?

A version stands for one move, so what a job went through is a chain, and every link of it needs a reason: a request that was
answered, one that may have happened, or the clock. The chain is followed from both the state machine and the ended attempts,
which name the claim (by its worker) and the report (by its error code) that made them. Where no chain fits, one rule after the
other is waived; the one without which a chain fits is the one that was broken.
"""
from evidence import TERMINAL, moment

SLACK = 0.010  # seconds; times are rounded to milliseconds on their way
ATTEMPTS_SHOWN = 100
FAR = float("inf")


class Broken(Exception):
    def __init__(self, rule, text):
        super().__init__(text)
        self.rule, self.text = rule, text


class Chain:
    """`possible[v]`: the states that version v may have had. `early[v]` and `late[v]`: when it can have come about."""

    def __init__(self, evidence, job):
        self.evidence, self.final, self.id = evidence, job, job["id"]
        self.last, self.rows = job["version"], job.get("attempts", [])
        self.seen = evidence.seen[self.id]
        self.at = {}  # version -> one sight of it
        self.by = {}  # version -> what is known to have made it
        self.early, self.late = [-FAR] * (self.last + 2), [FAR] * (self.last + 2)
        self.source = [None] * (self.last + 2)
        self.possible = [set() for _ in range(self.last + 2)]
        self.new_job, self.origin = self.find_origin()

    def find_origin(self):
        payload = self.final.get("payload") or {}
        group = self.evidence.enqueues.get(payload.get("tag")) if isinstance(payload, dict) else None
        if group is None or payload.get("i", -1) >= len(group.ask["jobs"]):
            raise Broken("phantom", "nobody asked for this job")
        return group.ask["jobs"][payload["i"]], group

    def check(self):
        self.look()
        self.pin()
        self.measure()
        if len(self.rows) < ATTEMPTS_SHOWN:
            self.follow()
            self.check_refusals()
        self.check_rows()

    # What was seen of each version

    def look(self):
        for sight in self.seen:
            if sight.version > self.last:
                raise Broken("lost", f"version {sight.version} was acknowledged ({sight.request.n}), in the end it is {self.last}")
            known = self.at.setdefault(sight.version, sight)
            for name in ("state", "attempt"):
                if known.job[name] != sight.job[name]:
                    raise Broken("lost", f"version {sight.version} was {name} {known.job[name]} ({known.request.n}) and "
                                         f"{sight.job[name]} ({sight.request.n})")
            if known.job.get("worker") != sight.job.get("worker"):
                raise Broken("overlap", f"version {sight.version} was held by {known.job.get('worker')} ({known.request.n}) and by "
                                        f"{sight.job.get('worker')} ({sight.request.n})")

    def set_by(self, version, what, n):
        if version > self.last:
            raise Broken("lost", f"the {what[0]} that made version {version} was acknowledged ({n}), in the end it is {self.last}")
        known = self.by.setdefault(version, (what, n))
        if known[0] != what:
            rule = "stale" if what[0] in ("report", "release") else "moves"
            raise Broken(rule, f"version {version} was made by {' '.join(known[0])} ({known[1]}) and by {' '.join(what)} ({n})")

    def pin(self):
        """Requests that were answered, and the version that each of them made."""
        for version, groups in self.on_this_job(self.evidence.reports_on):
            for group in groups:
                if group.has("ok"):
                    self.set_by(version + 1, ("report", group.ask["tag"]), group.requests[-1].n)
        for version, groups in self.on_this_job(self.evidence.releases_on):
            for group in groups:
                if group.has("ok"):
                    self.set_by(version + 1, ("release",), group.requests[0].n)
        for request in self.evidence.retries[self.id]:
            if request.outcome == "ok":
                self.set_by(request.answer["job"]["version"], ("retry",), request.n)
        for request in self.evidence.cancels[self.id]:
            if request.outcome == "ok" and request.answer["job"]["state"] == "canceled":
                self.set_by(request.answer["job"]["version"], ("cancel",), request.n)

    def on_this_job(self, by_version):
        for version in sorted(self.evidence.versions_of[self.id]):
            if (self.id, version) in by_version:
                yield version, by_version[self.id, version]

    # When

    def not_before(self, version, t, rule, n):
        if 1 <= version <= self.last and t > self.early[version]:
            self.early[version], self.source[version] = t, (rule, n)

    def not_after(self, version, t):
        if 1 <= version <= self.last:
            self.late[version] = min(self.late[version], t)

    def measure(self):
        """Version v + 1 came after v was seen, and before it was seen itself."""
        self.not_before(1, self.origin.t0(), "order", self.origin.requests[0].n)
        for sight in self.seen:
            self.not_after(sight.version, sight.request.t1)
            rule = "overlap" if sight.request.do == "claim" else "order"
            self.not_before(sight.version + 1, sight.request.t0, rule, sight.request.n)
            if sight.request.do == "claim" and sight.state == "running":
                self.not_before(sight.version, self.claim_of(sight.job["worker"]).t0(), "order", sight.request.n)
        for version in range(1, self.last + 1):
            self.measure_ends(version)
        for version, (what, n) in self.by.items():
            if what[0] in ("retry", "cancel"):
                place = self.evidence.retries if what[0] == "retry" else self.evidence.cancels
                self.not_before(version, next(one.t0 for one in place[self.id] if one.n == n), "order", n)
        self.compare()

    def claim_of(self, worker):
        group = self.evidence.claims.get(worker)
        if group is None:
            raise Broken("phantom", f"{worker} holds it and has never asked")
        return group

    def measure_ends(self, version):
        key = (self.id, version)
        for group in self.evidence.reports_on.get(key, []) + self.evidence.releases_on.get(key, []):
            if group.has("ok"):
                self.not_before(version + 1, group.t0(), "stale", group.requests[0].n)
                self.not_after(version + 1, group.first_ok())
            for request in group.requests:
                self.measure_refusal(version, request)
        for request in self.evidence.beats.get(key, []):
            if request.outcome == "ok":
                self.not_before(version + 1, request.t0, "stale", request.n)
                self.not_after(version, request.t1)
            self.measure_refusal(version, request)

    def measure_refusal(self, version, request):
        """A lease that was known before it was refused was over by then."""
        if self.refuses_lease(version, request):
            if version == self.last:
                raise Broken("moves", f"version {version} was refused as a lease ({request.n}), and nothing has ended it")
            self.not_after(version + 1, request.t1)

    def refuses_lease(self, version, request):
        sight = self.at.get(version)
        return (request.outcome == "refused" and request.status in (200, 409) and sight is not None and sight.state == "running"
                and min(one.request.t1 for one in self.seen if one.version == version) < request.t0)

    def compare(self):
        for version in range(2, self.last + 1):
            if self.early[version - 1] > self.early[version]:
                self.early[version], self.source[version] = self.early[version - 1], self.source[version - 1]
        for version in range(self.last - 1, 0, -1):
            self.late[version] = min(self.late[version], self.late[version + 1])
        for version in range(1, self.last + 1):
            if self.early[version] > self.late[version]:
                rule, n = self.source[version]
                raise Broken(rule, f"version {version} was there at {self.late[version]:.4f}, and at {self.early[version]:.4f} the one "
                                   f"before it still held ({n})")

    # Which moves

    def follow(self):
        if self.reaches_the_end(None):
            return
        for rule in ("finished", "cancel", "stale", "overlap", "early"):
            if self.reaches_the_end(rule):
                raise Broken("overlap" if rule == "early" else rule, f"no allowed moves explain it, but for the rule '{rule}'; "
                                                                     f"{self.where}")
        raise Broken("moves", f"no allowed moves explain it; {self.where}")

    def reaches_the_end(self, waived):
        self.waived = waived
        delayed = self.new_job.get("delay_ms", 0) > 0
        nodes = {("scheduled" if delayed else "queued", 0, 0, False, 0, 0)}
        nodes = {node for node in nodes if self.fits(1, node)}
        self.possible[1] = {node[0] for node in nodes}
        for version in range(2, self.last + 1):
            following = {after for node in nodes for after in self.moves(version, node) if self.fits(version, after)}
            if not following:
                self.where = f"stuck before version {version}, as {sorted(nodes)[:3]}, attempts {self.rows}"
                return False
            nodes = following
            self.possible[version] = {node[0] for node in nodes}
        ends = [node for node in nodes if node[2] == len(self.rows)]
        self.where = f"its last version has {len(self.rows)} attempts, the moves end with {sorted(nodes)[:3]}"
        return bool(ends)

    def fits(self, version, node):
        state, attempt, _, cancel = node[:4]
        sight = self.at.get(version)
        if sight is None:
            return True
        job = sight.job
        if job["state"] != state or job["attempt"] != attempt:
            return False
        return state == "running" or self.waived == "cancel" or bool(job.get("cancel_requested")) == cancel

    def moves(self, version, node):
        """What version may be after the node; a node: state, attempt, ended attempts, cancel asked, unknown retries and cancels used."""
        state, attempt, row, _, retries, cancels = node
        pinned = self.by.get(version, (None,))[0]
        kind = pinned[0] if pinned else None
        if state == "scheduled" and kind is None and self.is_due(version):
            yield ("queued", attempt, row, False, retries, cancels)
        if state in ("queued", "scheduled"):
            used = self.operator(version, kind, "cancel", self.evidence.cancels, cancels)
            if used is not None:
                yield ("canceled", attempt, row, False, retries, used)
        if state == "queued" and kind is None and self.is_claim(version, attempt + 1, row):
            yield ("running", attempt + 1, row, False, retries, cancels)
        if state == "running":
            for after in self.ends(version, node, pinned):
                yield (*after, retries, cancels)
            if self.waived == "overlap":
                yield ("running", attempt + 1, row, False, retries, cancels)
        if state in TERMINAL:
            used = self.operator(version, kind, "retry", self.evidence.retries, retries)
            if used is not None:
                yield ("queued", 0, row, False, used, cancels)
            if self.waived == "finished":
                yield ("running", attempt + 1, row, False, retries, cancels)
                yield ("queued", 0, row, False, retries, cancels)

    def operator(self, version, kind, name, place, used):
        """By a request of an operator: one that was answered, or one more of those that may have happened. None: there is none."""
        if kind is not None:
            return used if kind == name else None
        open_ones = [one for one in place[self.id] if one.outcome == "unknown" and one.t0 <= self.late[version]]
        if used < len(open_ones):
            return used + 1
        return used if self.waived == "cancel" and name == "cancel" else None

    def is_due(self, version):
        sight = self.at.get(version - 1)
        if sight is None or "run_at" not in sight.job or self.late[version] == FAR:
            return True
        return self.evidence.wall(self.late[version]) + SLACK >= moment(sight.job["run_at"])

    def worker_of(self, row):
        return self.rows[row]["worker"] if row < len(self.rows) else self.final.get("worker")

    def is_claim(self, version, attempt, row):
        worker, sight = self.worker_of(row), self.at.get(version)
        if self.waived == "overlap" and sight:
            return sight.job.get("worker") in self.evidence.claims
        if row < len(self.rows) and self.rows[row]["attempt"] != attempt:
            return False
        group = self.evidence.claims.get(worker)
        if group is None or group.t0() > self.late[version] or (sight and sight.job.get("worker") != worker):
            return False
        if group.has("unknown"):
            return True
        leased = [(job["id"], job["version"]) for one in group.requests for job in (one.answer or {}).get("jobs", [])]
        return (self.id, version) in leased and group.t1() >= self.early[version]

    # How an attempt ends

    def ends(self, version, node, pinned):
        _, attempt, row = node[:3]
        if row >= len(self.rows):
            return
        ended = self.rows[row]
        for cancel in self.cancel_flags(version):
            for report in self.evidence.reports_on.get((self.id, version - 1), []):
                if self.may_have_counted(version, report, pinned):
                    yield from self.after_report(version, report.ask, ended, attempt, row, cancel)
            for release in self.evidence.releases_on.get((self.id, version - 1), []):
                if self.may_have_counted(version, release, pinned):
                    yield from self.after_release(release.ask, ended, attempt, row, cancel)
            if (pinned is None or self.waived == "stale") and self.is_sweep(version, ended):
                for state in self.after_failure(attempt, cancel, False, None):
                    yield (state, attempt, row + 1, cancel)
            if self.waived == "stale":  # a report of any lease, even a refused one
                for _, groups in self.on_this_job(self.evidence.reports_on):
                    for report in groups:
                        yield from self.after_report(version, report.ask, ended, attempt, row, cancel)

    def cancel_flags(self, version):
        """May it have been asked to cancel while version - 1 ran?"""
        asked = self.evidence.cancels[self.id]
        if self.waived == "cancel":
            return (False, True)
        if any(one.outcome == "ok" and one.answer["job"]["version"] == version - 1 for one in asked):
            return (True,)
        maybe = any(one.outcome == "unknown" and one.t0 <= self.late[version] for one in asked)
        return (False, True) if maybe else (False,)

    def may_have_counted(self, version, group, pinned):
        name = ("report", group.ask["tag"]) if "tag" in group.ask else ("release",)
        if pinned is not None:
            return pinned == name and (group.has("ok") or name[0] == "report")
        if any(self.refuses_lease(version - 1, one) for one in group.requests):
            return False  # had it counted before, its repetition would have been told so; later it cannot
        return group.has("unknown") and group.t0() <= self.late[version]

    def after_report(self, version, report, ended, attempt, row, cancel):
        if report["status"] == "succeeded":
            sight = self.at.get(version)
            told = (sight.job.get("result") or {}).get("tag") if sight else None
            if ended["outcome"] == "succeeded" and told in (None, report["tag"]):
                yield ("succeeded", attempt, row + 1, cancel)
            return
        code = (ended.get("error") or {}).get("code")
        plain = ended["outcome"] == ("canceled" if cancel else "failed") and code == report["tag"]
        if plain or (ended["outcome"] == "timed_out" and code == "timeout"):
            for state in self.after_failure(attempt, cancel, report.get("retry") is False, report.get("retry_in_ms")):
                yield (state, attempt, row + 1, cancel)

    def after_failure(self, attempt, cancel, no_retry, delay_ms):
        if cancel:
            return ("canceled",)
        if no_retry or attempt >= self.new_job["max_attempts"]:
            return ("failed",)
        if delay_ms is None:
            delay_ms = self.new_job["backoff"]["base_ms"]
        return ("scheduled",) if delay_ms > 0 else ("queued",)

    @staticmethod
    def after_release(release, ended, attempt, row, cancel):
        if ended["outcome"] == ("canceled" if cancel else "released") and "error" not in ended:
            state = "canceled" if cancel else "scheduled" if release["delay_ms"] > 0 else "queued"
            yield (state, attempt - 1, row + 1, cancel)

    def is_sweep(self, version, ended):
        if ended["outcome"] not in ("lost", "timed_out"):
            return False
        if self.waived == "early":
            return True
        # The time is read before the claim is committed: the lease may begin while the job is still seen unclaimed.
        begin = self.evidence.claims[ended["worker"]].t0()
        span = self.new_job["timeout_ms" if ended["outcome"] == "timed_out" else "lease_ms"] / 1000
        if moment(ended["finished_at"]) - moment(ended["started_at"]) + SLACK < span:
            return False
        beats = self.evidence.beats.get((self.id, version - 1), []) if ended["outcome"] == "lost" else []
        return self.late[version] + SLACK >= max([begin, *(one.t0 for one in beats if one.outcome == "ok")]) + span

    # The rest

    def check_refusals(self):
        """A cancel that was refused found it finished at some moment; a retry found it unfinished (or its key taken)."""
        for request in self.evidence.cancels[self.id]:
            if request.status == 409 and not self.was(request, lambda state: state in TERMINAL):
                raise Broken("moves", f"a cancel was refused ({request.n}) while it was not finished")
        for request in self.evidence.retries[self.id]:
            if request.status == 409 and not self.final.get("unique_key") and not self.was(request, lambda s: s not in TERMINAL):
                raise Broken("moves", f"a retry was refused ({request.n}) while it was finished")

    def was(self, request, wanted):
        for version in range(1, self.last + 1):
            over = self.late[version + 1] if version < self.last else FAR
            if self.early[version] <= request.t1 and over >= request.t0 and any(map(wanted, self.possible[version])):
                return True
        return False

    def check_rows(self):
        for before, after in zip(self.rows, self.rows[1:]):
            if moment(before["finished_at"]) > moment(after["started_at"]) + SLACK / 2:
                raise Broken("overlap", f"attempt of {after['worker']} began before that of {before['worker']} ended")

    def live_times(self):
        """When it was certainly not finished: pairs of times."""
        begin = None
        for version in range(1, self.last + 1):
            live = not any(state in TERMINAL for state in self.possible[version])
            if live and begin is None:
                begin = self.late[version]
            if not live and begin is not None:
                yield begin, self.early[version]
                begin = None
        if begin is not None:
            yield begin, FAR
