# SPDX-License-Identifier: MIT
"""The figures on SQLite: the real server, with durability full, on a file on disk."""
import pathlib
import subprocess
import threading

from measure import CONNECTIONS, Bench, Failed, median, plural, progress, ratio


class SqliteBench(Bench):
    """Beside (a), a program that does the same by hand on an SQLite file, and (b), the HTTP front that does nothing."""

    groups = ("enqueue", "work", "lifecycles", "delay")
    server_words = "--durability full --log-level warn"

    def __init__(self, programs, folder, quick):
        super().__init__(programs, folder, quick)
        self.made = 0

    def database(self, name):
        self.made += 1
        return self.folder / f"{self.made}-{name}.db"

    def serve(self, database):
        return self.start(self.programs.server, "--listen", "127.0.0.1:0", "--db", database, "--durability", "full",
                          "--log-level", "warn")

    def serve_front_only(self, body_bytes):
        return self.start(self.programs.front_only, body_bytes)

    def rows(self, mode):
        """Baseline (a), in a new file."""
        path = self.database("rows")
        rate = self.programs.measure(self.programs.rows, path, mode, self.seconds)["rate"]
        for suffix in ("", "-wal", "-shm"):
            pathlib.Path(f"{path}{suffix}").unlink(missing_ok=True)
        return rate

    # ---- the measurements --------------------------------------------------------------------------------------------

    def enqueue(self):
        server = self.serve(self.database("enqueue"))
        body_bytes = self.load(server, "fill", 1, 1) and self.load(server, "enqueue", 1, 0.01)["reply_bytes"]
        front = self.serve_front_only(body_bytes)
        counts = (1, 16, 64)
        real, bare, rows = {n: [] for n in counts}, {n: [] for n in counts}, []
        peaks = {n: 0.0 for n in counts}
        for number in range(self.rounds):
            rows.append(self.rows("insert"))
            for n in counts:
                server.forget_peak()
                real[n].append(self.load(server, "enqueue", n, self.seconds)["rate"])
                peaks[n] = max(peaks[n], server.peak_mb())
                bare[n].append(self.load(front, "enqueue", n, self.seconds)["rate"])
            progress(f"enqueue, round {number + 1} of {self.rounds}: (a) {rows[-1]:,.0f}/s, " + ", ".join(
                f"{n} connections {real[n][-1]:,.0f}/s" for n in counts))
        self.note("(a) by hand: one SQLite transaction a job, insert", median(rows))
        for n in counts:
            self.note(f"(b) the front alone, {plural(n)}", median(bare[n]), peak=None)
        targets = {1: {}, 16: {"a": 2.5}, 64: {"a": 3.0, "b": 0.4}}
        for n in counts:
            self.note(f"enqueue, a request a job, {plural(n)}", median(real[n]), a=ratio(real[n], rows),
                      b=ratio(real[n], bare[n]), peak=peaks[n], target=targets[n])
        self.stop()

    def prefilled(self):
        """The two large stores, made side by side."""
        kinds = {"mixed": "mixed", "other-type": "other-type"}
        paths = {kind: self.database(kind) for kind in kinds}
        failures = []

        def make(kind):
            try:
                self.programs.measure(self.programs.prefill, paths[kind], kind, self.behind)
            except (Failed, subprocess.TimeoutExpired) as failure:
                failures.append(failure)

        progress(f"work: building two stores of {self.behind:,} jobs")
        threads = [threading.Thread(target=make, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return paths

    def work(self):
        paths = self.prefilled()
        stores = {"": self.serve(self.database("work")), "mixed": self.serve(paths["mixed"]),
                  "other-type": self.serve(paths["other-type"])}
        kinds = {"claim and report, a request each": ("single", CONNECTIONS),
                 "report and next claim in one request": ("drain", CONNECTIONS, 1),
                 "the same, 100 jobs a request": ("drain", CONNECTIONS, 100)}
        rates = {(kind, store): [] for kind in kinds for store in stores}
        peaks = dict.fromkeys(rates, 0.0)
        rows, rows_work = [], []
        for number in range(self.rounds):
            rows.append(self.rows("insert"))
            rows_work.append(self.rows("work"))
            for kind, mode in kinds.items():
                for store, server in stores.items():
                    server.forget_peak()
                    self.load(server, "fill", 1, self.backlog)
                    done = self.load(server, *mode)
                    if done["jobs"] != self.backlog:
                        raise Failed(f"{kind}: {done['jobs']} jobs were done of {self.backlog}")
                    rates[kind, store].append(done["rate"])
                    peaks[kind, store] = max(peaks[kind, store], server.peak_mb())
            progress(f"work, round {number + 1} of {self.rounds}: " + ", ".join(
                f"{rates[kind, ''][-1]:,.0f}/s" for kind in kinds))
        self.note("(a) by hand: one SQLite transaction a job, insert", median(rows))
        self.note("(a') by hand: a transaction to claim, one to report", median(rows_work), a=ratio(rows_work, rows))
        targets = dict(zip(kinds, ({"a": 1.5}, {"a": 3.0}, {})))
        words = {"": f"{self.backlog:,} jobs", "mixed": f"{self.behind:,} of mixed states behind",
                 "other-type": f"{self.behind:,} ready of another type"}
        for kind in kinds:
            for store in stores:
                here = rates[kind, store]
                more = {"a": ratio(here, rows), "peak": peaks[kind, store], "target": targets[kind]}
                if store:
                    more.update(behind=ratio(here, rates[kind, ""]), target={"behind": 0.8})
                self.note(f"{kind}, {words[store]}", median(here), **more)
        self.stop()

    def lifecycles(self):
        server = self.serve(self.database("lifecycles"))
        rows, rates, peak = [], [], 0.0
        server.forget_peak()
        for number in range(self.rounds):
            rows.append(self.rows("insert"))
            rates.append(self.load(server, "lifecycles", CONNECTIONS, self.seconds, 100)["rate"])
            progress(f"lifecycles, round {number + 1} of {self.rounds}: {rates[-1]:,.0f}/s")
        peak = server.peak_mb()
        self.note("whole lives in batches of 100: enqueued, claimed, reported", median(rates), a=ratio(rates, rows),
                  peak=peak, target={"rate": 30000})
        self.stop()

    def delay(self):
        server = self.serve(self.database("delay"))
        server.forget_peak()
        found = []
        for number in range(self.rounds):
            found.append(self.programs.measure(self.programs.delay, server.port, 200, self.delay_seconds))
            progress(f"delay, round {number + 1} of {self.rounds}: p50 {found[-1]['p50_ms']} ms, "
                     f"p99 {found[-1]['p99_ms']} ms")
        p50, p99 = (median([one[key] for one in found]) for key in ("p50_ms", "p99_ms"))
        self.note("enqueue to handler start at 200 jobs/s, p50", None, ms=p50, peak=server.peak_mb(),
                  target={"ms": 2.0})
        self.note("enqueue to handler start at 200 jobs/s, p99", None, ms=p99)
        self.stop()
