# SPDX-License-Identifier: MIT
"""What somebody's open transaction costs: nothing that was updated or deleted since can be cleared away. Two servers over two
databases of one PostgreSQL, of which only one holds a snapshot (it keeps dead rows in its own database alone), are asked in
turn, so that whatever else the machine does slows both.

The load on the first one hardly pauses, because it is load that leaves dead rows: within a round the other one has its third
between two halves, and what drifts while a round lasts weighs on both sides of it."""
from measure import CONNECTIONS, median

LAST = 5  # rounds, which the ratio is taken from
SCHEMA = "taskq"


class HeldSnapshot:
    """`bench` starts servers and load; `held_seconds` of load a round."""

    def __init__(self, bench, held_seconds):
        self.bench, self.postgres, self.held_seconds = bench, bench.postgres, held_seconds
        self.held_in, self.free_in = bench.database(), bench.database()
        self.held, self.free = bench.serve(self.held_in), bench.serve(self.free_in)
        self.rounds, self.lives = [], 0  # (held, free) a second each; lives under the snapshot
        self.holding = self.postgres.held_snapshot(self.held_in)

    def __enter__(self):
        self.holder = self.holding.__enter__()
        return self

    def __exit__(self, *how):
        return self.holding.__exit__(*how)

    def lived(self, server, seconds):
        return self.bench.load(server, "lifecycles", CONNECTIONS, seconds, 1)

    def round(self):
        first = self.lived(self.held, self.held_seconds / 2)
        free = self.lived(self.free, self.held_seconds / 3)
        second = self.lived(self.held, self.held_seconds / 2)
        jobs = first["jobs"] + second["jobs"]
        self.lives += jobs
        self.rounds.append((jobs / (first["seconds"] + second["seconds"]), free["rate"]))

    def rates(self):
        """At the end, of both."""
        return tuple(median(rates) for rates in zip(*self.rounds[-LAST:]))

    def ratio(self):
        """What is left of the rate at the end."""
        return median([held / free for held, free in self.rounds[-LAST:]])

    def said(self):
        return ", ".join(f"{held:,.0f}/{free:,.0f}" for held, free in self.rounds)

    def kept(self, database):
        """Dead rows that cannot be cleared away."""
        self.postgres.query(f"VACUUM {SCHEMA}.jobs", database, timeout=300)
        return int(self.postgres.value("SELECT n_dead_tup FROM pg_stat_all_tables WHERE relname = 'jobs' "
                                       f"AND schemaname = '{SCHEMA}'", database))
