# SPDX-License-Identifier: MIT
"""Three servers and their PostgreSQL with a bad network, or a pooler, between them."""
import random
import unittest

from fronts import PgBouncer
from proxy import Proxy
from runs import LONG, ClusterCase, seconds


class BadNetwork(ClusterCase):
    def setUp(self):
        super().setUp()
        self.proxy = Proxy("127.0.0.1", self.postgres.port)
        self.addCleanup(self.proxy.close)
        self.start_cluster(db=f"postgresql://postgres@127.0.0.1:{self.proxy.port}/postgres?connect_timeout=2")

    def test_connections_cut_and_delayed_break_no_rule(self):
        draw, load = random.Random(self.seed), self.load()

        def disturb(_):
            self.proxy.up.delay, self.proxy.down.delay = draw.choice((0, 0.005, 0.05)), draw.choice((0, 0.005, 0.05))
            self.proxy.cut()

        with self.repeatedly(disturb, every=seconds(0.4, 1.5)):
            self.run_for(seconds(3, 180))
        self.proxy.pass_all()
        self.wait_until_ready()
        self.assert_served(load.end())

    def test_answers_that_never_come_break_no_rule(self):
        """What a server has sent is done, or is not; no word of it comes back, and then the connection is gone."""
        load = self.load()

        def swallow(count):
            way = self.proxy.down if count % 2 else self.proxy.up
            way.hold = True
            self.run_for(0.3)
            self.proxy.cut()
            way.hold = False

        with self.repeatedly(swallow, every=seconds(0.5, 2.0)):
            self.run_for(seconds(3, 180))
        self.proxy.pass_all()
        self.wait_until_ready()
        self.assert_served(load.end())

    def test_what_arrives_after_its_connection_was_given_up_breaks_no_rule(self):
        """The server has turned to a new connection when its last words on the old one reach the database."""
        load = self.load()

        def delay(_):
            self.proxy.up.hold = True
            self.run_for(0.05)
            self.proxy.abandon()
            self.run_for(0.2)
            self.proxy.up.hold = False

        with self.repeatedly(delay, every=seconds(0.3, 1.0)):
            self.run_for(seconds(3, 180))
        self.proxy.pass_all()
        self.wait_until_ready()
        self.assert_served(load.end())

    @unittest.skipUnless(LONG, "takes its time")
    def test_a_database_that_says_nothing_is_given_up_and_found_again(self):
        load = self.load()
        self.proxy.up.hold = self.proxy.down.hold = self.proxy.silent = True
        client = self.servers[0].client()
        self.addCleanup(client.close)
        self.assertEqual(client.health("/readyz").status, 503)
        self.proxy.pass_all()
        self.proxy.cut()
        self.wait_until_ready()
        self.assert_served(load.end())


class Pooled(ClusterCase):
    def test_behind_pgbouncer_in_transaction_mode_no_rule_is_broken(self):
        pooler = PgBouncer(self.folder, self.postgres)
        self.addCleanup(pooler.close)
        self.start_cluster(db=pooler.url(), arguments=("--db-pooled",))
        load = self.load()
        self.run_for(seconds(2, 60))
        self.assert_served(load.end())


if __name__ == "__main__":
    unittest.main()
