# SPDX-License-Identifier: MIT
"""One server over SQLite under a random load, killed with -9 again and again, or with answers that never arrive."""
import unittest

from lossy import LossyProxy
from runs import HistoryCase, seconds
from waiting import wait_until

LOST_EVERY = 15


class OneServer(HistoryCase):
    def test_a_server_that_is_killed_again_and_again_breaks_no_rule(self):
        server = self.start_server()
        load = self.load()

        def kill(_):
            server.kill()
            server.start()

        with self.repeatedly(kill, every=seconds(1.0, 3.0)):
            self.run_for(seconds(3, 120))
        self.assertGreater(load.end()["requests"], 500)
        check = self.prove()
        self.assertGreater(check.evidence.total["unknown"], 0)

    def test_answers_that_are_lost_on_the_way_break_no_rule(self):
        proxy = LossyProxy(self.start_server().url, LOST_EVERY)
        self.addCleanup(proxy.close)
        load = self.load([proxy.url])
        wait_until(lambda: load.has_done(seconds(1500, 50000)), timeout=300, what="the load")
        load.end()
        _, happened = self.prove().doubts()
        self.assertGreater(happened, 5)


if __name__ == "__main__":
    unittest.main()
