# SPDX-License-Identifier: MIT
"""The database under three servers is lost and comes again, or another one takes its place."""
import unittest

from runs import LONG, ClusterCase, seconds
from waiting import wait_until


class DatabaseRestarted(ClusterCase):
    disk = True

    def test_a_database_stopped_at_once_and_started_again_breaks_no_rule(self):
        self.start_cluster()
        load = self.load()
        with self.repeatedly(lambda _: self.postgres.restart("immediate"), every=seconds(1.0, 4.0)):
            self.run_for(seconds(4, 180))
        self.wait_until_ready()
        self.assert_served(load.end())

    @unittest.skipUnless(LONG, "takes its time")
    def test_a_killed_database_breaks_no_rule(self):
        self.start_cluster()
        load = self.load()

        def kill(_):
            self.postgres.kill()
            self.postgres.start()

        with self.repeatedly(kill, every=seconds(1.5, 4.0)):
            self.run_for(seconds(4, 120))
        self.wait_until_ready()
        self.assert_served(load.end())


class StandbyPromoted(ClusterCase):
    """The connection string names both, and takes the one that can write."""

    def start_pair(self, synchronous):
        standby = self.postgres.standby(synchronous)
        self.start_cluster(db=self.postgres.url(others=[standby], connect_timeout=2))
        return standby

    def test_a_synchronous_standby_has_everything_that_was_acknowledged(self):
        for _ in range(seconds(1, 5)):
            standby = self.start_pair(synchronous=True)
            load = self.load()
            self.run_for(seconds(1, 15))
            self.postgres.kill()
            standby.promote()
            self.wait_until_ready()
            self.run_for(seconds(1, 15))
            self.assert_served(load.end())
            self.begin_again()

    def begin_again(self):
        for server in self.servers:
            server.finish()
        self.servers.clear()
        self.history.unlink()
        self.postgres.close()
        self.postgres = type(self.postgres)().start()
        self.addCleanup(self.postgres.close)

    def test_an_asynchronous_standby_that_lags_loses_jobs_and_the_checker_sees_it(self):
        standby = self.start_pair(synchronous=False)
        load = self.load()
        standby.stop_receiver()
        lines = self.history.read_bytes().count(b"\n")
        wait_until(lambda: load.has_done(lines + 500), timeout=60, what="a load that goes on")
        self.postgres.kill()
        standby.promote()
        self.wait_until_ready()
        load.end()
        self.finish()
        _, broken = self.broken()
        self.assertIn("lost", {rule for rule, _ in broken})


if __name__ == "__main__":
    unittest.main()
