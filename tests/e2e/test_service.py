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
from certificates import Authority
from harness import Server, Worker, connect, fresh_folder
from program import Program, executable, run
from waiting import wait_until

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


class Health(ServerCase):
    """`--health`, as the engine of a container asks."""

    def health_of(self, server, *arguments):
        return run("TASKQ_SERVER", "--listen", server.url.rpartition("/")[2], "--health", *arguments)

    def test_a_server_that_serves_is_well_until_it_ends(self):
        server = self.start(watchdog=False)
        self.assertEqual((self.health_of(server).returncode, self.health_of(server).stdout), (0, "ok\n"))
        server.program.send_signal(signal.SIGSTOP)
        self.assertEqual(self.health_of(server).returncode, 5)  # connected to, by the kernel; no answer
        server.program.send_signal(signal.SIGCONT)
        self.assertEqual(self.health_of(server).returncode, 0)
        server.stop()
        self.assertEqual(self.health_of(server).returncode, 5)

    def test_a_server_whose_store_takes_nothing_is_not_well(self):
        server = self.start(watchdog=False)
        os.unlink(server.db)
        done = wait_until(lambda: (done := self.health_of(server)).returncode and done, what="an answer that the store is gone")
        self.assertIn(done.returncode, (1, 5))  # it says so, and ends

    def test_a_server_with_tls_is_asked_with_tls(self):
        authority = Authority(self.manager.folder / "pki")
        flags = authority.issue("server").flags()
        server = self.start(*flags, watchdog=False)
        self.assertEqual(self.health_of(server, *flags).returncode, 0)
        self.assertEqual(self.health_of(server).returncode, 1)  # to plain HTTP it answers 400
        server.stop()
        certified = self.start(*flags, "--tls-client-ca", authority.cert, watchdog=False)
        self.assertEqual(self.health_of(certified, *flags, "--tls-client-ca", authority.cert).returncode, 0)

    def test_port_0_cannot_be_asked(self):
        self.assertEqual(run("TASKQ_SERVER", "--listen", "127.0.0.1:0", "--health").returncode, 2)

    def test_a_worker_is_well_while_its_loop_turns(self):
        sign = self.manager.folder / "sign"
        self.assertEqual(run("TASKQ_WORKER", "--health").returncode, 2)
        self.assertEqual(run("TASKQ_WORKER", "--health", env={"TASKQ_HEALTH_FILE": str(sign)}).returncode, 5)
        worker = Worker(self.manager.folder, "--health-file", str(sign), server="http://127.0.0.1:9", env=self.manager.environment(False))
        self.addCleanup(worker.kill)
        self.manager.until("READY=1")
        wait_until(sign.exists, what="a sign of life")
        self.assertEqual(run("TASKQ_WORKER", "--health", "--health-file", sign).returncode, 0)
        old = int(sign.read_text()) - 3600_000
        worker.send_signal(signal.SIGSTOP)
        sign.write_text(f"{old:020}\n")
        done = run("TASKQ_WORKER", "--health", "--health-file", sign)
        self.assertEqual(done.returncode, 1)
        self.assertIn("36", done.stderr)
        sign.write_text("hello\n")
        self.assertEqual(run("TASKQ_WORKER", "--health", "--health-file", sign).returncode, 1)
        worker.send_signal(signal.SIGCONT)
        worker.stop()
        self.assertFalse(sign.exists())


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
