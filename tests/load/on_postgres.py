# SPDX-License-Identifier: MIT
"""The figures on PostgreSQL: real servers over a real database on disk, beside pgbench running the bare statements, one
job at a time, with as many connections, in the same rounds."""
import re
import subprocess
import sys

from measure import CONNECTIONS, ROOT, Bench, Failed, median, plural, progress, ratio
from snapshot import HeldSnapshot

sys.path.insert(0, str(ROOT / "tests"))

from support.postgres import Postgres, binaries  # noqa: E402

# What a table of jobs needs at the very least, and the two statements that everybody writes for it.
BARE_TABLE = """
CREATE TABLE bare (id bigserial PRIMARY KEY, version bigint NOT NULL, state smallint NOT NULL, priority integer NOT NULL,
    run_at bigint NOT NULL, lease_due bigint, queue text NOT NULL, type text NOT NULL, payload text NOT NULL, result text)
    WITH (fillfactor = 70, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX bare_ready ON bare (queue, type, priority DESC, run_at, id) WHERE state = 1;
"""
BARE_FILL = """
INSERT INTO bare (version, state, priority, run_at, queue, type, payload)
SELECT 1, 1, 0, (extract(epoch FROM now()) * 1000)::bigint, 'bench', 'work', repeat('x', 200) FROM generate_series(1, {count});
"""
BARE_INSERT = """
INSERT INTO bare (version, state, priority, run_at, queue, type, payload)
VALUES (1, 1, 0, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 'bench', 'work', repeat('x', 200)) RETURNING id;
"""
BARE_WORK = """
UPDATE bare SET state = 2, version = version + 1, lease_due = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 60000
WHERE id = (SELECT id FROM bare WHERE state = 1 AND queue = 'bench' AND type = 'work'
            ORDER BY priority DESC, run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, version \\gset
UPDATE bare SET state = 3, version = version + 1, result = '{"ok": true}' WHERE id = :id AND version = :version AND state = 2;
"""
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "max_connections": "120", "checkpoint_timeout": "15min"}


class PostgresBench(Bench):
    groups = ("enqueue", "work", "servers", "snapshot", "delay")
    server_words = "--log-level warn; PostgreSQL with fsync and synchronous_commit on, on this machine"

    def __init__(self, programs, folder, quick):
        super().__init__(programs, folder, quick)
        self.seconds = 0.5 if quick else 3
        self.held_seconds, self.held_rounds = (4, 2) if quick else (300, 25)
        self.postgres, self.made = Postgres(disk=True, settings=SETTINGS).start(), 0

    def close(self):
        self.stop()
        self.postgres.close()

    def database(self):
        """The name of a new one."""
        self.made += 1
        self.postgres.create_database(f"bench{self.made}")
        return f"bench{self.made}"

    def serve(self, database):
        return self.start(self.programs.server, "--listen", "127.0.0.1:0", "--log-level", "warn",
                          environment={"TASKQ_DB": self.postgres.url(database)})

    # ---- the bare statements -------------------------------------------------------------------------------------------

    def pgbench(self, database, script, connections, *words):
        path = self.folder / "pgbench.sql"
        path.write_text(script, encoding="utf-8")
        said = subprocess.run([binaries() / "pgbench", "-n", "-M", "prepared", "-f", path, "-c", str(connections), "-j",
                               str(min(connections, 2)), *map(str, words), self.postgres.url(database)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300)
        rate = re.search(r"^tps = ([\d.]+)", said.stdout, re.MULTILINE)
        if said.returncode != 0 or rate is None:
            raise Failed(f"pgbench: {said.stdout}{said.stderr}")
        return float(rate.group(1))

    def bare(self):
        database = self.database()
        self.postgres.query(BARE_TABLE, database)
        return database

    def bare_work(self, database, connections):
        self.postgres.query("TRUNCATE bare", database)
        self.postgres.query(BARE_FILL.format(count=self.backlog), database)
        return self.pgbench(database, BARE_WORK, connections, "-t", self.backlog // connections)

    # ---- the measurements ----------------------------------------------------------------------------------------------

    def enqueue(self):
        server, bare = self.serve(self.database()), self.bare()
        counts = (1, 16, 64)
        real, by_hand, peaks = {n: [] for n in counts}, {n: [] for n in counts}, dict.fromkeys(counts, 0.0)
        for number in range(self.rounds):
            for n in counts:
                by_hand[n].append(self.pgbench(bare, BARE_INSERT, n, "-T", max(1, int(self.seconds))))
                server.forget_peak()
                real[n].append(self.load(server, "enqueue", n, self.seconds)["rate"])
                peaks[n] = max(peaks[n], server.peak_mb())
            progress(f"enqueue, round {number + 1} of {self.rounds}: " + ", ".join(
                f"{n} connections {real[n][-1]:,.0f}/s, bare {by_hand[n][-1]:,.0f}/s" for n in counts))
        for n in counts:
            self.note(f"bare INSERT, {plural(n)}", median(by_hand[n]))
            self.note(f"enqueue, a request a job, {plural(n)}", median(real[n]), bare=ratio(real[n], by_hand[n]),
                      peak=peaks[n], target={"bare": 0.8} if n > 1 else {})
        self.stop()

    def prefilled(self):
        databases = {kind: self.database() for kind in ("mixed", "other-type")}
        for kind, database in databases.items():
            progress(f"work: filling a store with {self.behind:,} jobs, {kind}")
            self.programs.measure(self.programs.prefill, self.postgres.url(database), kind, self.behind)
            self.postgres.query("VACUUM (ANALYZE)", database, timeout=600)
        return databases

    def work(self):
        filled = self.prefilled()
        stores = {"": self.serve(self.database()), "mixed": self.serve(filled["mixed"]),
                  "other-type": self.serve(filled["other-type"])}
        kinds = {"claim and report, a request each": ("single", CONNECTIONS),
                 "claim and report, a request each, 64 connections": ("single", 64),
                 "report and next claim in one request": ("drain", CONNECTIONS, 1),
                 "the same, 100 jobs a request": ("drain", CONNECTIONS, 100)}
        bare = self.bare()
        rates, by_hand = {(kind, store): [] for kind in kinds for store in stores}, {CONNECTIONS: [], 64: []}
        peaks = dict.fromkeys(rates, 0.0)
        for number in range(self.rounds):
            for n, found in by_hand.items():
                found.append(self.bare_work(bare, n))
            for kind, mode in kinds.items():
                for store, server in stores.items():
                    server.forget_peak()
                    rates[kind, store].append(self.drained(server, *mode))
                    peaks[kind, store] = max(peaks[kind, store], server.peak_mb())
            progress(f"work, round {number + 1} of {self.rounds}: bare {by_hand[CONNECTIONS][-1]:,.0f}/s, " + ", ".join(
                f"{rates[kind, ''][-1]:,.0f}/s" for kind in kinds))
        for n, found in by_hand.items():
            self.note(f"bare SKIP LOCKED claim and report, {plural(n)}", median(found))
        targets = dict(zip(kinds, ({"bare": 0.8}, {"bare": 0.8}, {"bare": 0.8}, {"bare": 3.0})))
        words = {"": f"{self.backlog:,} jobs", "mixed": f"{self.behind:,} of mixed states behind",
                 "other-type": f"{self.behind:,} ready of another type"}
        for kind, mode in kinds.items():
            for store in stores:
                here = rates[kind, store]
                more = {"bare": ratio(here, by_hand[mode[1]]), "peak": peaks[kind, store], "target": targets[kind]}
                if store:
                    more.update(behind=ratio(here, rates[kind, ""]), target={"behind": 0.8})
                self.note(f"{kind}, {words[store]}", median(here), **more)
        self.stop()

    def drained(self, servers, mode, *words):
        """A backlog, and how fast it is worked off."""
        first = servers[0] if isinstance(servers, list) else servers
        self.load(first, "fill", 1, self.backlog)
        jobs, seconds = 0, 0.0
        while jobs < self.backlog:
            done = self.load(servers, mode, *words)
            if done["jobs"] == 0:
                raise Failed(f"{mode}: {jobs} jobs were done of {self.backlog}")
            jobs, seconds = jobs + done["jobs"], seconds + done["seconds"]
        return jobs / seconds

    def servers(self):
        database = self.database()
        servers = [self.serve(database) for _ in range(3)]
        kinds = {"enqueue, a request a job": None, "claim and report, a request each": ("single",),
                 "the same, 100 jobs a request": ("drain", 100)}
        rates = {(kind, n): [] for kind in kinds for n in (1, 2, 3)}
        for number in range(self.rounds):
            for kind, mode in kinds.items():
                for n in (1, 2, 3):
                    some = servers[:n]
                    if mode is None:
                        rate = self.load(some, "enqueue", 48, self.seconds)["rate"]
                        self.drained(servers[:1], "drain", CONNECTIONS, 100)
                    else:
                        rate = self.drained(some, mode[0], 48, *mode[1:])
                    rates[kind, n].append(rate)
            progress(f"servers, round {number + 1} of {self.rounds}: " + ", ".join(
                f"{kind}: " + " / ".join(f"{rates[kind, n][-1]:,.0f}" for n in (1, 2, 3)) for kind in kinds))
        for kind in kinds:
            for n in (1, 2, 3):
                self.note(f"{kind}, {n} server{'s' if n > 1 else ''}, 48 connections", median(rates[kind, n]),
                          **({"one": ratio(rates[kind, n], rates[kind, 1])} if n > 1 else {}))
        self.stop()

    def snapshot(self):
        """Somebody's transaction stays open, in one of two databases."""
        each = self.held_seconds / self.held_rounds
        with HeldSnapshot(self, each) as beside:
            for number in range(self.held_rounds):
                beside.round()
                progress(f"snapshot: after {(number + 1) * each:.0f} s of load under it {beside.rounds[-1][0]:,.0f} lives/s; "
                         f"without {beside.rounds[-1][1]:,.0f}")
        held, free = beside.rates()
        self.note(f"whole lives, one job a request, {plural(CONNECTIONS)}", free)
        self.note(f"the same at the end of {self.held_seconds} s of load with a snapshot held", held, behind=beside.ratio(),
                  target={"behind": 0.7})
        self.stop()

    def delay(self):
        """The worker polls one server, the job is enqueued at another one."""
        database = self.database()
        one, two = self.serve(database), self.serve(database)
        found = {"": [], " at the other server": []}
        for number in range(self.rounds):
            for where, at in (("", one.port), (" at the other server", f"{one.port},{two.port}")):
                found[where].append(self.programs.measure(self.programs.delay, at, 200, self.delay_seconds))
            progress(f"delay, round {number + 1} of {self.rounds}: p50 " + ", ".join(
                f"{found[where][-1]['p50_ms']} ms{where}" for where in found))
        for where, each in found.items():
            for key in ("p50_ms", "p99_ms"):
                self.note(f"enqueue{where} to handler start at 200 jobs/s, {key[:3]}", None, ms=median([one[key] for one in each]))
        self.stop()
