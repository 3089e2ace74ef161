# SPDX-License-Identifier: MIT
"""What the fault runs have in common: servers over one store, the random load beside them, and the proof at the end."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

from check import check_file
from harness import EXTERNAL_URL, Server, fresh_folder, fresh_name
from postgres import Postgres
from waiting import wait_until

HERE = pathlib.Path(__file__).resolve().parent
LONG = bool(os.environ.get("TASKQ_LONG"))
FINISH_SECONDS = 120
SHOWN = 20


def seconds(short, long):
    """How long a load goes on: a short form in every run of the suite, the long one with TASKQ_LONG=1."""
    return long if LONG else short


class Load:
    """The driver, a process of its own."""

    def __init__(self, case, urls, history, name="c", append=False, length=3600, clients=8, pause=0.0):
        command = [sys.executable, str(HERE / "driver.py"), "--out", str(history), "--queue", case.queue, "--name", name,
                   "--seconds", str(length), "--clients", str(clients), "--pause", str(pause), "--seed", case.seed]
        for url in urls:
            command += ["--server", url]
        self.history = history
        self.process = subprocess.Popen(command + (["--append"] if append else []), stdout=subprocess.PIPE, text=True)
        case.addCleanup(self.discard)

    def has_done(self, lines):
        """So many lines are written by now."""
        return self.history.exists() and self.history.read_bytes().count(b"\n") >= lines

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.result()

    def result(self):
        told = self.process.communicate(timeout=120)[0]
        if self.process.returncode != 0:
            raise AssertionError(f"the driver ended with {self.process.returncode}")
        return json.loads(told)

    def discard(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class HistoryCase(unittest.TestCase):
    """A failed run keeps its history, and says where."""

    server_arguments = ("--sweep-interval", "100ms")

    def setUp(self):
        if EXTERNAL_URL:
            self.skipTest("needs servers of its own")
        self.queue = fresh_name()
        self.seed = os.environ.get("TASKQ_TEST_SEED") or fresh_name("seed")
        self.folder = fresh_folder()
        self.history = self.folder / "history.jsonl"
        self.servers, self.passed = [], False
        self.addCleanup(self.discard)

    def _callTestMethod(self, method):
        super()._callTestMethod(method)
        self.passed = True

    def discard(self):
        for server in self.servers:
            server.discard()
        if self.passed:
            subprocess.run(["rm", "-rf", str(self.folder)], check=False)
        else:
            print(f"the history and the logs are in {self.folder}, the seed was {self.seed}", file=sys.stderr)

    def start_server(self, *arguments, db=None):
        """One that comes up at the same port after every end."""
        server = Server(*self.server_arguments, *arguments, folder=self.folder / f"server{len(self.servers)}")
        server.folder.mkdir(exist_ok=True)
        if db:
            server.db = db
        self.servers.append(server)
        server.start()
        server.listen = server.url.rpartition("/")[2]
        return server

    def urls(self):
        return [server.url for server in self.servers]

    def load(self, urls=None, **options):
        load = Load(self, urls or self.urls(), self.history, **options)
        wait_until(lambda: load.has_done(200), timeout=60, what="the load")
        return load

    @contextlib.contextmanager
    def repeatedly(self, fault, every):
        """The fault again and again until the block is left; what it raises is raised there."""
        stop, errors = threading.Event(), []

        def work():
            count = 0
            try:
                while not stop.wait(every):
                    fault(count)
                    count += 1
            except BaseException as error:  # pylint: disable=broad-except
                errors.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(120)
        if errors:
            raise errors[0]

    def finish(self, urls=None):
        """Everything that is left is done and read."""
        load = [sys.executable, str(HERE / "driver.py"), "--finish", "--out", str(self.history), "--queue", self.queue, "--seconds",
                str(FINISH_SECONDS)]
        for url in urls or self.urls():
            load += ["--server", url]
        done = subprocess.run(load, capture_output=True, text=True, timeout=FINISH_SECONDS + 60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["jobs"]

    def broken(self):
        check, broken = check_file(self.history)
        print(check.summary(), file=sys.stderr)
        return check, broken

    def prove(self, urls=None):
        self.assertGreater(self.finish(urls), 0)
        check, broken = self.broken()
        self.assertEqual([f"{rule}: {text}"[:600] for rule, text in broken[:SHOWN]], [])
        return check

    def run_for(self, length):
        """The load goes on so long; it is no wait for anything."""
        time.sleep(length)


class ClusterCase(HistoryCase):
    """Three servers over one PostgreSQL of their own."""

    disk = False

    def setUp(self):
        super().setUp()
        self.postgres = Postgres(disk=self.disk)
        self.addCleanup(self.postgres.close)
        self.postgres.start()

    def start_cluster(self, count=3, db=None, arguments=()):
        for _ in range(count):
            self.start_server(*arguments, db=db or self.postgres.url())
        return self.servers

    def wait_until_ready(self):
        for server in self.servers:
            client = server.client()
            wait_until(lambda: self.is_ready(client), timeout=60, what=f"{server.url}/readyz")
            client.close()

    @staticmethod
    def is_ready(client):
        try:
            return client.health("/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def assert_served(self, told):
        self.assertGreater(told["requests"], 500)
        return self.prove()
