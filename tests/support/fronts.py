# SPDX-License-Identifier: MIT
"""What stands in front: HAProxy before taskq-servers, pgbouncer before PostgreSQL. Real ones, of Debian's packages; where one is
missing the tests are skipped, and fail where all must run (see postgres.py)."""
import os
import pathlib
import pwd
import shutil
import socket
import unittest
import urllib.parse

from program import Program
from waiting import wait_until

HAPROXY = pathlib.Path(__file__).resolve().parents[2] / "examples/cluster/haproxy.cfg"
PGBOUNCER = """
[databases]
* = host=127.0.0.1 port={target} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
max_client_conn = 400
default_pool_size = {pool}
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
logfile = {folder}/pgbouncer.txt
"""


def _executable(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found and os.environ.get("TASKQ_TEST_COMPLETE"):
        raise RuntimeError(f"this needs {name} (Debian's package of that name), and there is none")
    if not found:
        raise unittest.SkipTest(f"no {name} here")
    return found


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class HAProxy:
    """The cluster's: sends to those of the servers that say that they are ready."""

    def __init__(self, folder, urls, port=0):
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        lines = "\n".join(f"    server s{i} {urllib.parse.urlsplit(url).netloc}" for i, url in enumerate(urls))
        path = folder / "haproxy.cfg"
        text = HAPROXY.read_text(encoding="ascii").replace("@bind@", f"127.0.0.1:{self.port}").replace("@servers@", lines)
        text = text.replace("balance leastconn", "balance roundrobin")  # each server has its turn, also one that holds polls
        path.write_text(text, encoding="ascii")
        self.log_path = folder / "haproxy.txt"
        with open(self.log_path, "ab") as log:
            self.program = Program([_executable("haproxy"), "-db", "-f", path], folder, "haproxy", stdout=log)
        wait_until(lambda: _answers(self.port) or not self.program.is_running(), what="HAProxy")
        if not self.program.is_running():
            raise AssertionError(f"HAProxy did not start; its log:\n{self.program.log()}")

    def close(self):
        self.program.kill()

    def log(self):
        """Of requests those that failed, and of servers each that came or went."""
        return self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()


class PgBouncer:
    """In front of one PostgreSQL; `port` is where its clients connect."""

    def __init__(self, folder, postgres, mode="transaction", pool=20):
        self.port, command = _free_port(), [_executable("pgbouncer")]
        path = folder / "pgbouncer.ini"
        path.write_text(PGBOUNCER.format(target=postgres.port, port=self.port, mode=mode, folder=folder, pool=pool), encoding="ascii")
        if os.geteuid() == 0:  # it refuses to be root
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            command += ["-u", "postgres"]
        self.program = Program([*command, path], folder, "pgbouncer")
        wait_until(lambda: _answers(self.port), what="pgbouncer")

    def url(self, database="postgres", user="postgres"):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def close(self):
        self.program.kill()
