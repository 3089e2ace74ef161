# SPDX-License-Identifier: MIT
"""The power is cut in mid-load: with --durability full everything acknowledged is found again, whatever the log's state. That
the harness would see a loss is shown by --durability relaxed, which may lose the latest and must stay sound."""
import contextlib
import os
import sqlite3
import unittest

from harness import FreshServerCase, Server
from powercut import Disk, Log
from program import run
from traffic import Ledger, Load
from waiting import wait_until

CYCLES = 50 if os.environ.get("TASKQ_LONG") else 5
CONTROLS = 5
STRIDE_BYTES = 1 << 20
LARGE_FRAMES = 1000
WITHOUT_PAYLOAD = "SELECT count(*) FROM taskq_jobs WHERE id NOT IN (SELECT id FROM taskq_payloads)"


class ServerOnDisk(Server):
    """Ends with the test, however that ends: it would keep the disk."""

    def command(self, *arguments):
        return ["setpriv", "--pdeathsig", "KILL", *super().command(*arguments)]


class PowerCut(FreshServerCase):
    def setUp(self):
        super().setUp()
        if "TASKQ_TEST_DB" in os.environ:
            self.skipTest("about the store in a file")
        self.disk = Disk()
        self.addCleanup(self.disk.close)
        self.ledger = Ledger(self, self.queue)

    def server_on_disk(self, durability):
        server = ServerOnDisk("--durability", durability, "--sweep-interval", "20ms")
        self.addCleanup(server.discard)
        server.db = str(self.disk.place / "taskq.db")
        self.log = Log(server.db)
        return server

    # What the log is made to be before the cut.

    def grown(self, server, number):
        """It has been made longer ahead of what is written, more than once where it was not long before."""
        load = Load(server, self.queue, number)
        wait_until(lambda: load.is_in_full_swing() and self.log.bytes() > 2 * STRIDE_BYTES, timeout=60)
        return load

    def written_over(self, server, number):
        """Nobody wrote for a moment, so it was copied back and is started over; the cut comes soon after."""
        load = Load(server, self.queue, number)
        wait_until(lambda: load.is_in_full_swing() and self.log.frames()[0] > LARGE_FRAMES, timeout=60)
        load.stop()
        self.ledger.add(load)
        wait_until(lambda: len(set(self.log.frames())) == 1, timeout=60, what="a log copied back in a quiet moment")
        load = Load(server, self.queue, number)
        wait_until(load.is_in_full_swing, timeout=60)
        return load

    def copied_back_in_mid_load(self, server, number):
        load = Load(server, self.queue, number, filler="x" * 16000)
        wait_until(load.is_in_full_swing, timeout=60)
        before = self.log.head()
        wait_until(lambda: self.log.head() != before, timeout=120)
        return load

    def cut(self, server, load):
        self.assertEqual(load.refused, [])
        self.disk.cut()
        server.kill()
        load.end()
        self.ledger.add(load)
        self.disk.remount()

    def start_again(self, server):
        """Looked at before the server's own recovery, and after it."""
        checked = run("TASKQ_SERVER", "--db", server.db, "--check")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        server.start()
        with contextlib.closing(sqlite3.connect(f"file:{server.db}?mode=ro", uri=True)) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(database.execute(WITHOUT_PAYLOAD).fetchone(), (0,))

    def test_nothing_acknowledged_is_lost(self):
        server = self.server_on_disk("full")
        ways = (self.grown, self.written_over, self.copied_back_in_mid_load, self.written_over, self.grown)
        frames_seen = stale_seen = zeros_seen = 0
        for number in range(CYCLES):
            server.start()
            self.cut(server, ways[number % len(ways)](server, number))
            frames, stale, zeros = self.log.parts()
            frames_seen += frames > 0  # none: it was cut just as the log was started over
            stale_seen += stale > 0
            zeros_seen += zeros > 0
            self.start_again(server)
            self.ledger.check(self.client_of(server))
            server.stop() if number % 2 else server.kill()
        self.assertGreater(frames_seen, CYCLES // 2, "most cuts found no log")
        self.assertGreater(stale_seen, 0, "no cut with frames of an earlier round behind those that count")
        self.assertGreater(zeros_seen, 0, "no cut with zeros behind the last frame")

    def test_relaxed_may_lose_the_latest_and_is_sound(self):
        server = self.server_on_disk("relaxed")
        server.start()
        load = Load(server, self.queue, "before")
        wait_until(load.is_in_full_swing, timeout=60)
        load.stop()
        server.stop()
        flushed = Ledger(self, self.queue)
        flushed.add(load)
        for number in range(CONTROLS):
            server.start()
            load = Load(server, self.queue, number)
            wait_until(load.is_in_full_swing, timeout=60)
            self.cut(server, load)
            self.start_again(server)
            found = self.ledger.read(self.client_of(server))
            self.assertEqual(flushed.lost(found)[0], [])
            if self.ledger.lost(found)[0]:
                server.stop()
                return
            server.stop()
        self.fail(f"{CONTROLS} cuts lost nothing without a flush: these cuts prove nothing")


if __name__ == "__main__":
    unittest.main()
