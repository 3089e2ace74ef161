# SPDX-License-Identifier: MIT
"""What the fault runs stand on: a PostgreSQL that nothing is left of, and a proxy that does as it is told."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import postgres
from postgres import Postgres
from proxy import Proxy
from waiting import wait_until


class PostgresOfATest(unittest.TestCase):
    def test_nothing_is_left_of_a_server_whose_starter_is_killed(self):
        show = "import os; print(os.environ['TASKQ_TEST_POSTGRES'], flush=True); import time; time.sleep(600)"
        starter = subprocess.Popen([sys.executable, postgres.__file__, "run", "--", sys.executable, "-c", show], stdout=subprocess.PIPE,
                                   text=True)
        self.addCleanup(starter.stdout.close)
        port = int(starter.stdout.readline().rpartition(":")[2].partition("/")[0])
        folders = [path for path in self.folders() if list(path.glob(f".s.PGSQL.{port}"))]
        self.assertEqual(len(folders), 1)
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        wait_until(lambda: not folders[0].exists(), what="a folder taken away")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

    @staticmethod
    def folders():
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else os.environ.get("TMPDIR", "/tmp")
        return list(pathlib.Path(base).glob("taskq-pg-*"))

    def test_nothing_is_left_in_shared_memory_of_a_server_however_it_ended(self):
        ends = {"closed": lambda server: None, "stopped": Postgres.stop, "paused": Postgres.pause, "killed": Postgres.kill}
        for how, end in ends.items():
            with self.subTest(how), Postgres() as server:
                segment, files = self.shared_memory(server)
                self.assertTrue(segment in self.segments() and files)
                end(server)
                server.close()
                left = [path for path in files if os.path.exists(path)]
                self.assertEqual((segment in self.segments(), left), (False, []))

    @staticmethod
    def shared_memory(server):
        """The segment of System V and the files that a running server shares among its processes."""
        maps = pathlib.Path(f"/proc/{server.process.pid}/maps").read_text(encoding="utf-8").splitlines()
        files = {line.split(maxsplit=5)[5] for line in maps if line.split()[1].endswith("s") and line.split()[4] != "0"}
        told = (server.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[6]
        return int(told.split()[1]), {path for path in files if path.startswith("/dev/shm/") or str(server.folder) in path}

    @staticmethod
    def segments():
        with open("/proc/sysvipc/shm", encoding="ascii") as text:
            return [int(line.split()[1]) for line in list(text)[1:]]

    def test_what_was_committed_is_there_after_every_end(self):
        with Postgres() as server:
            server.query("CREATE TABLE t (n int)")
            for n, end in enumerate((server.stop, lambda: server.stop("immediate"), server.kill)):
                server.query(f"INSERT INTO t VALUES ({n})")
                end()
                server.start()
            self.assertEqual(server.query("SELECT n FROM t ORDER BY n"), [["0"], ["1"], ["2"]])

    def test_a_standby_that_stopped_to_receive_lacks_what_came_later(self):
        with Postgres() as server:
            server.query("CREATE TABLE t (n int)")
            synchronous, lagging = server.standby(True, "near"), server.standby(False, "far")
            lagging.wait_for("SELECT count(*) FROM pg_class WHERE relname = 't'", "1")
            lagging.stop_receiver()
            server.query("INSERT INTO t VALUES (1)")
            server.kill()
            for standby, rows in ((synchronous, "1"), (lagging, "0")):
                standby.promote()
                self.assertEqual(standby.value("SELECT count(*) FROM t"), rows)


class ProxyOfATest(unittest.TestCase):
    """Before a service that sends back what it gets."""

    def setUp(self):
        self.heard = b""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        threading.Thread(target=self.echo, args=(listener,), daemon=True).start()
        self.proxy = Proxy(*listener.getsockname())
        self.addCleanup(self.proxy.close)

    def echo(self, listener):
        def serve(sock):
            with sock, contextlib.suppress(OSError):
                while data := sock.recv(65536):
                    self.heard += data
                    sock.sendall(data)

        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    def connect(self):
        sock = socket.create_connection((self.proxy.host, self.proxy.port), 20)
        self.addCleanup(sock.close)
        return sock

    def test_much_data_gets_through_whole(self):
        sock, data = self.connect(), os.urandom(5 << 20)
        threading.Thread(target=sock.sendall, args=(data,), daemon=True).start()
        got = b""
        while len(got) < len(data):
            got += sock.recv(1 << 20)
        self.assertEqual(got, data)

    def test_a_delay_holds_for_its_direction(self):
        sock = self.connect()
        self.proxy.down.delay = 0.2
        begin = time.monotonic()
        sock.sendall(b"x")
        self.assertEqual(sock.recv(10), b"x")
        self.assertGreaterEqual(time.monotonic() - begin, 0.2)

    def test_what_is_held_comes_when_it_is_let_go(self):
        sock = self.connect()
        self.proxy.up.hold = True
        sock.sendall(b"x")
        sock.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            sock.recv(10)
        self.proxy.up.hold = False
        sock.settimeout(20)
        self.assertEqual(sock.recv(10), b"x")

    def test_a_cut_resets_what_is_open_and_lets_in_what_is_new(self):
        sock = self.connect()
        wait_until(lambda: self.proxy.open_count() == 1, what="an open connection")
        self.assertEqual(self.proxy.cut(), 1)
        with self.assertRaises(ConnectionResetError):
            sock.recv(10)
        again = self.connect()
        again.sendall(b"y")
        self.assertEqual(again.recv(10), b"y")

    def test_what_an_abandoned_client_has_sent_arrives_late(self):
        sock = self.connect()
        self.proxy.up.hold = True
        sock.sendall(b"late")
        wait_until(lambda: self.proxy.waiting_bytes() == 4, what="what was sent")
        self.proxy.abandon()
        with self.assertRaises(ConnectionResetError):
            sock.recv(10)
        self.assertEqual(self.heard, b"")
        self.proxy.up.hold = False
        wait_until(lambda: self.heard == b"late" and self.proxy.open_count() == 0, what="what it has sent")

    def test_silent_it_takes_connections_and_says_nothing_and_deaf_it_takes_none(self):
        self.proxy.silent = True
        sock = self.connect()
        sock.sendall(b"x")
        sock.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            sock.recv(10)
        self.proxy.silent, self.proxy.deaf = False, True
        with self.assertRaises(ConnectionResetError):
            self.connect().recv(10)


if __name__ == "__main__":
    unittest.main()
