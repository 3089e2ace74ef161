# SPDX-License-Identifier: MIT
"""What the programs tell of themselves: to a service manager, on a real socket, that they serve, that they end, and that they live, for as long
as they do; to whoever asks, whether they are well and what they were built with."""
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest
import urllib.request

import powercut
from harness import Server, Worker, connect, fresh_folder
from program import Program, executable, run

WATCHDOG_MS = 600  # a beat is due every 300
SILENCE_SECONDS = 2.0


class Manager:
    """The socket of a service manager, and what came there."""

    def __init__(self, case, abstract=False):
        self.folder = fresh_folder()
        case.addCleanup(shutil.rmtree, self.folder)
        self.path = f"@taskq-{os.getpid()}-{id(self)}" if abstract else str(self.folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        case.addCleanup(self.socket.close)
        self.socket.bind(self.path.replace("@", "\0", 1))

    def environment(self, watchdog=True):
        return {"NOTIFY_SOCKET": self.path, **({"WATCHDOG_USEC": str(WATCHDOG_MS * 1000)} if watchdog else {})}

    def next(self, seconds=60):
        """The next message, as its lines; None: nothing came."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return None
        return self.socket.recv(65536).decode().split("\n")

    def until(self, line, seconds=60):
        """All messages up to the first that has a line which matches."""
        deadline, seen = time.monotonic() + seconds, []
        while not seen or not any(re.fullmatch(line, one) for one in seen[-1]):
            message = self.next(max(0.0, deadline - time.monotonic()))
            if message is None:
                raise AssertionError(f"no {line}; what came: {seen}")
            seen.append(message)
        return seen

    def falls_silent(self):
        """After what was under way nothing comes for several times the watchdog's patience."""
        deadline = time.monotonic() + 60
        while self.next(SILENCE_SECONDS) is not None:
            if time.monotonic() > deadline:
                return False
        return True


class ServerCase(unittest.TestCase):
    def setUp(self):
        self.manager = Manager(self)

    def start(self, *arguments, watchdog=True, **options):
        server = Server(*arguments, env=self.manager.environment(watchdog), **options)
        self.addCleanup(server.discard)
        return server.start()


class AServer(ServerCase):
    def test_it_is_ready_when_its_port_answers_and_not_before(self):
        server = self.start(watchdog=False)
        (ready,) = self.manager.until("READY=1")  # the first word of all
        url = next(line for line in ready if line.startswith("STATUS=")).split()[-1]
        self.assertEqual(url, server.url)
        with urllib.request.urlopen(f"{url}/readyz") as answer:
            self.assertEqual(answer.status, 200)

    def test_one_that_cannot_serve_never_says_that_it_is_ready(self):
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        folder = fresh_folder()
        self.addCleanup(shutil.rmtree, folder)
        program = Program([executable("TASKQ_SERVER"), "--db", folder / "a.db", "--listen",
                           f"127.0.0.1:{taken.getsockname()[1]}"], folder, "server", self.manager.environment())
        self.assertEqual(program.wait(), 1)
        self.assertIsNone(self.manager.next(0))

    def test_it_says_that_it_ends(self):
        server = self.start(watchdog=False)
        self.manager.until("READY=1")
        server.stop()
        self.manager.until("STOPPING=1", 0)

    def test_a_reload_begins_and_ends(self):
        server = self.start(watchdog=False)
        self.manager.until("READY=1")
        server.program.send_signal(signal.SIGHUP)
        begun = self.manager.until("RELOADING=1")[-1]
        at_us = int(next(line for line in begun if line.startswith("MONOTONIC_USEC=")).partition("=")[2])
        self.assertLess(abs(time.monotonic() - at_us / 1e6), 60)
        self.manager.until("READY=1")
        server.stop()

    def test_an_abstract_socket_is_a_socket_too(self):
        self.manager = Manager(self, abstract=True)
        self.start(watchdog=False)
        self.manager.until("READY=1")

    def test_it_beats_while_it_lives_and_not_while_it_is_stopped(self):
        server = self.start()
        self.manager.until("READY=1")
        for _ in range(3):
            self.manager.until("WATCHDOG=1", 10)
        server.program.send_signal(signal.SIGSTOP)
        self.assertTrue(self.manager.falls_silent())
        server.program.send_signal(signal.SIGCONT)
        self.manager.until("WATCHDOG=1")
        server.stop()

    def test_the_watchdog_of_another_process_is_not_beaten_for(self):
        server = Server(env={**self.manager.environment(), "WATCHDOG_PID": str(os.getpid())})
        self.addCleanup(server.discard)
        server.start()
        self.manager.until("READY=1")
        self.assertIsNone(self.manager.next(WATCHDOG_MS / 1000))

    def test_what_makes_no_sense_is_said_and_it_serves_all_the_same(self):
        for environment, word in (({"NOTIFY_SOCKET": "/nonexistent/socket"}, "NOTIFY_SOCKET"), ({"NOTIFY_SOCKET": "tcp:1"}, "NOTIFY_SOCKET"),
                                  ({"NOTIFY_SOCKET": "/" + "x" * 200}, "NOTIFY_SOCKET"),
                                  ({"NOTIFY_SOCKET": self.manager.path, "WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC")):
            with self.subTest(environment=environment):
                server = Server(env=environment)
                self.addCleanup(server.discard)
                server.start()
                self.assertIn(word, server.program.log())
                server.stop()


class AStoreThatBlocks(ServerCase):
    @staticmethod
    def thaw(disk):
        subprocess.run(["fsfreeze", "--unfreeze", disk.place], check=False, capture_output=True)

    def test_it_ends_the_beats_until_it_answers_again(self):
        if not shutil.which("fsfreeze"):
            self.skipTest("needs fsfreeze")
        disk = powercut.Disk()
        self.addCleanup(disk.close)
        server = self.start(folder=disk.place, fast=False)
        self.addCleanup(server.program.kill)
        self.manager.until("READY=1")
        self.manager.until("WATCHDOG=1")
        subprocess.run(["fsfreeze", "--freeze", disk.place], check=True)
        self.addCleanup(self.thaw, disk)
        statuses = []

        def enqueue():
            with contextlib.closing(connect(server.url)) as client:
                statuses.append(client.post("/jobs", {"type": "t"}).status)

        producer = threading.Thread(target=enqueue)
        producer.start()
        try:
            self.assertTrue(self.manager.falls_silent())  # the commit hangs in the kernel, and the look at the store behind it
        finally:
            self.thaw(disk)
            producer.join()
        self.manager.until("WATCHDOG=1")
        self.assertEqual(statuses, [201])
        server.stop()


class AWorker(unittest.TestCase):
    def setUp(self):
        self.manager, self.folder = Manager(self), fresh_folder()
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, *arguments):
        # Nothing listens there: a worker whose server is away is well.
        worker = Worker(self.folder, *arguments, server="http://127.0.0.1:9", env=self.manager.environment())
        self.addCleanup(worker.kill)
        return worker

    def test_it_is_ready_though_its_server_is_away_and_says_that_it_ends(self):
        worker = self.start()
        self.manager.until("READY=1")
        worker.stop()
        self.manager.until("STOPPING=1", 0)

    def test_it_beats_while_its_loop_turns(self):
        worker = self.start()
        self.manager.until("READY=1")
        beats = [self.manager.until("WATCHDOG=1", 10)[-1] for _ in range(3)]
        self.assertIn("STATUS=0 running, 0 succeeded, 0 failed", beats[-1])
        worker.send_signal(signal.SIGSTOP)
        self.assertTrue(self.manager.falls_silent())
        worker.send_signal(signal.SIGCONT)
        self.manager.until("WATCHDOG=1")
        worker.stop()

    def test_wrong_use_is_never_ready(self):
        worker = self.start("--file-root", "/nonexistent")
        self.assertEqual(worker.program.wait(), 2)
        self.assertIsNone(self.manager.next(0))


class Versions(unittest.TestCase):
    def test_each_program_tells_what_it_was_built_with(self):
        parts = {"TASKQ_SERVER": [r"SQLite 3\.\d+\.\d+", r"civetweb 1\.\d+, (TLS by OpenSSL 3\.\d+\.\d+, IPv6|no TLS, no IPv6)"],
                 "TASKQ_WORKER": [r"libcurl \d+\.\d+\.\d+"], "TASKQ_CLI": [r"libcurl \d+\.\d+\.\d+"]}
        for variable, wanted in parts.items():
            first, *lines = run(variable, "--version").stdout.splitlines()
            self.assertRegex(first, r"^taskq(-\w+)? \d+\.\d+\.\d+$")
            for pattern in wanted:
                self.assertTrue(any(re.fullmatch(pattern, line) for line in lines), (pattern, lines))


if __name__ == "__main__":
    unittest.main()
