# SPDX-License-Identifier: MIT
"""The one place that decides how servers and workers are started and reached.

TASKQ_SERVER, TASKQ_WORKER, TASKQ_CLI   the executables
TASKQ_TEST_DB           the store of a fresh server, {dir} being its folder and {name} a fresh name; {dir}/taskq.db.
                        Options may follow: "postgresql://... --db-schema {name}"
TASKQ_TEST_BEHIND       so many servers over each store, HAProxy before them
TASKQ_TEST_SERVER_ARGS  further arguments of every server (such as --tls-cert ... --tls-key ...)
TASKQ_TEST_URL          the server under test is there already (a load balancer, say): none is started, and the
                        tests that stop, restart or configure one are skipped
TASKQ_TEST_CA           authority for a server that speaks TLS
TASKQ_TEST_CERT, _KEY   our own certificate, where the server asks clients for one
TASKQ_TEST_TOKEN        token of an admin, where the server asks for one
"""
import os
import pathlib
import select
import shlex
import shutil
import ssl
import subprocess
import tempfile
import time
import unittest
import uuid

from client import Client
from fronts import HAProxy
from program import Program, executable
from rawsocket import RawSocket
from shape import milliseconds

START_SECONDS = 60
EXTERNAL_URL = os.environ.get("TASKQ_TEST_URL")
BEHIND = int(os.environ.get("TASKQ_TEST_BEHIND", "0"))


def tls_context():
    authority, own = os.environ.get("TASKQ_TEST_CA"), os.environ.get("TASKQ_TEST_CERT")
    context = ssl.create_default_context(cafile=authority) if authority else None
    if own:
        context.load_cert_chain(own, os.environ["TASKQ_TEST_KEY"])
    return context


def connect(url, **options):
    return Client(url, tls_context(), os.environ.get("TASKQ_TEST_TOKEN"), **options)


def connect_raw(url, **options):
    return RawSocket(url, tls_context(), **options)


def fresh_folder(fast=True):
    """A folder for one store: in memory where speed matters, on TMPDIR's disk where the test is about that."""
    base = "/dev/shm" if fast and os.access("/dev/shm", os.W_OK) else None
    return pathlib.Path(tempfile.mkdtemp(prefix="taskq-", dir=base))


def fresh_name(prefix="q"):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


class Server:
    """A taskq-server over a store of its own. start() after stop() or kill() goes on with the same store."""

    def __init__(self, *arguments, folder=None, env=None, fast=True, listen="127.0.0.1:0"):
        self.owns_folder = folder is None
        self.folder = pathlib.Path(folder) if folder else fresh_folder(fast)
        template = os.environ.get("TASKQ_TEST_DB", "{dir}/taskq.db")
        self.db, *self.db_options = shlex.split(template.format(dir=self.folder, name=fresh_name("t").replace("-", "_")))
        self.listen, self.arguments, self.env = listen, arguments, env
        self.program = self.url = None

    def command(self, *arguments):
        more = shlex.split(os.environ.get("TASKQ_TEST_SERVER_ARGS", ""))
        return [executable("TASKQ_SERVER"), "--db", self.db, *self.db_options, *more, *arguments]

    def start(self):
        command = self.command("--listen", self.listen, *self.arguments)
        self.program = Program(command, self.folder, "server", self.env, stdout=subprocess.PIPE)
        self.url = self._read_urls()[0]
        return self

    def _read_urls(self):
        """The lines `listening on URL`, one a listener."""
        deadline, text = time.monotonic() + START_SECONDS, b""
        pipe = self.program.process.stdout
        while text.count(b"\n") < self.program.arguments.count("--listen"):
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"the server did not come up; its log:\n{self.program.log()}")
            data = os.read(pipe.fileno(), 4096)
            if not data:
                status = self.program.wait()
                raise AssertionError(f"the server ended with {status} at its start; its log:\n{self.program.log()}")
            text += data
        self.urls = [line.removeprefix("listening on ") for line in text.decode().splitlines()]
        return self.urls

    def client(self, **options):
        return connect(self.url, **options)

    def raw(self, **options):
        return connect_raw(self.url, **options)

    def stop(self):
        self.program.stop()

    def kill(self):
        self.program.kill()
        self.program.assert_clean()

    def restart_at_same_port(self):
        self.listen = self.url.rpartition("/")[2]
        return self.start()

    def discard(self):
        """The end of a test, whatever became of it."""
        if self.program:
            self.program.kill()
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self):
        """A graceful end, looked at, and the store gone. A server that ended by itself is a failure too."""
        try:
            if self.program:
                self.stop()
        finally:
            self.discard()


class Balanced:
    """Several servers over one store, and what stands before them. Ended and started together."""

    def __init__(self, *arguments, **options):
        self.servers = [Server(*arguments, **options) for _ in range(BEHIND)]
        self.folder, self.front, self.port = self.servers[0].folder, None, 0
        self.db, self.db_options = self.servers[0].db, self.servers[0].db_options
        for server in self.servers[1:]:
            server.db, server.db_options = self.db, self.db_options

    def start(self):
        for server in self.servers:
            server.start()
        self.front = HAProxy(self.folder, [server.url for server in self.servers], port=self.port)
        self.url, self.port = self.front.url, self.front.port
        return self

    def client(self, **options):
        return connect(self.url, **options)

    def raw(self, **options):
        return connect_raw(self.url, **options)

    def stop(self):
        for server in self.servers:
            server.stop()
        self.front.close()

    def kill(self):
        for server in self.servers:
            server.kill()
        self.front.close()

    def restart_at_same_port(self):
        return self.start()

    def discard(self):
        if self.front:
            self.front.close()
        for server in self.servers:
            server.discard()

    def finish(self):
        try:
            self.stop()
        finally:
            self.discard()


def new_server(*arguments, **options):
    return (Balanced if BEHIND else Server)(*arguments, **options)


class External:
    """A server that somebody else runs."""

    url = EXTERNAL_URL

    def client(self, **options):
        return connect(self.url, **options)

    def raw(self, **options):
        return connect_raw(self.url, **options)

    def finish(self):
        pass


class Worker:
    """A taskq-worker. Its log is worker-ID.log in the folder."""

    def __init__(self, folder, *arguments, server=None, worker_id=None, env=None):
        self.id = worker_id or fresh_name("w")
        servers = server if isinstance(server, (list, tuple)) else [server]
        command = [executable("TASKQ_WORKER"), "--id", self.id]
        for url in servers:
            command += ["--server", url]
        authority = os.environ.get("TASKQ_TEST_CA")
        if authority:
            command += ["--ca-file", authority]
        if os.environ.get("TASKQ_TEST_CERT"):
            command += ["--cert", os.environ["TASKQ_TEST_CERT"], "--key", os.environ["TASKQ_TEST_KEY"]]
        token = os.environ.get("TASKQ_TEST_TOKEN")
        self.program = Program([*command, *arguments], folder, f"worker-{self.id}",
                               {**({"TASKQ_TOKEN": token} if token else {}), **(env or {})})

    def log(self):
        return self.program.log()

    def send_signal(self, number):
        self.program.send_signal(number)

    def stop(self, timeout=60):
        self.program.stop(timeout=timeout)

    def kill(self):
        self.program.kill()


def assert_same(case, before, after):
    """The job is as it was. A lease follows elapsed time: what the wall clock says to it is worked out at each reading,
    and may differ by the clocks' rounding."""
    shown, lease = dict(after), "lease_expires_at"
    if before.get(lease) and shown.get(lease):
        case.assertLessEqual(abs(milliseconds(shown[lease]) - milliseconds(before[lease])), 5)
        shown[lease] = before[lease]
    case.assertEqual(shown, before)


class ServerCase(unittest.TestCase):
    """Tests of one class share a server; every test has a queue of its own, so that none sees another's jobs."""

    server_arguments = ()

    @classmethod
    def setUpClass(cls):
        if EXTERNAL_URL and cls.server_arguments:
            raise unittest.SkipTest("needs a server with settings of its own")
        cls.server = External() if EXTERNAL_URL else new_server(*cls.server_arguments).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.finish()

    def setUp(self):
        self.queue = fresh_name()
        self.api = self.new_client()

    def new_client(self, **options):
        client = self.server.client(**options)
        self.addCleanup(client.close)
        return client

    def raw(self, **options):
        socket = self.server.raw(**options)
        self.addCleanup(socket.close)
        return socket

    def enqueue(self, **fields):
        return self.api.enqueue(**{"queue": self.queue, "type": "t", **fields})

    def claim(self, **parameters):
        return self.api.claim(self.queue, **parameters)

    def started(self, **fields):
        """A job of this test that runs."""
        made = self.enqueue(**fields)
        job = self.claim()
        self.assertEqual(job["id"], made["id"])
        return job

    def ended(self, state, **fields):
        job = self.started(**fields)
        if state == "succeeded":
            return self.api.succeed(job)
        if state == "failed":
            return self.api.fail(job, retry=False)
        self.api.cancel(job["id"])
        return self.api.fail(job)

    def assert_unchanged(self, before):
        assert_same(self, before, self.api.job(before["id"]))

    def refused(self, status, slug, method, path, value=None, field=None, headers=None):
        reply = self.api.expect(status, method, path, value, headers)
        self.assertEqual(reply.slug, slug, reply)
        if field is not None:
            self.assertEqual(reply.json.get("field"), field, reply)
        return reply


class FreshServerCase(unittest.TestCase):
    """Every test has a server of its own, to be stopped, killed and started again."""

    def setUp(self):
        if EXTERNAL_URL:
            self.skipTest("needs a server of its own")
        self.queue = fresh_name()

    def fresh_server(self, *arguments, **options):
        server = new_server(*arguments, **options)
        self.addCleanup(server.discard)
        return server.start()

    def client_of(self, server, **options):
        client = server.client(**options)
        self.addCleanup(client.close)
        return client
