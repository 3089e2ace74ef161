# SPDX-License-Identifier: MIT
"""The server over SQLite, killed with -9 again and again under a random load: its history obeys every rule."""
import unittest

from runs import HistoryCase, seconds


class SqliteServerKilled(HistoryCase):
    def test_the_history_of_a_server_that_is_killed_again_and_again_obeys_every_rule(self):
        server = self.start_server()
        load = self.load()

        def kill(_):
            server.kill()
            server.start()

        with self.repeatedly(kill, every=seconds(1.0, 3.0)):
            self.run_for(seconds(6, 120))
        self.assertGreater(load.end()["requests"], 500)
        check = self.prove()
        self.assertGreater(check.evidence.total["unknown"], 0)


if __name__ == "__main__":
    unittest.main()
