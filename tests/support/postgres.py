#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real PostgreSQL servers for the tests: made, started, ended in every way, doubled by a standby, promoted.

    postgres.py run [--disk] [--set NAME=VALUE ...] [--standby sync|async] -- COMMAND...

runs COMMAND with TASKQ_TEST_POSTGRES set to the connection string of a server of its own, and ends with its status.

Each lies in a folder of its own (in memory; on TMPDIR's disk with disk=True), listens on 127.0.0.1 and a socket in that
folder, trusts whoever asks, and has nothing to do with a cluster that the system may run. PostgreSQL refuses to be root: there
it runs as the user postgres (else nobody). However server and starter end, nothing is left, in shared memory neither: a keeper
beside the starter sees its end and takes server and folder away. (PR_SET_PDEATHSIG would not do: it strikes when the starting
thread ends.)

Where there is no PostgreSQL the tests are skipped; they fail instead with TASKQ_TEST_COMPLETE=1, which ./dev test sets.
"""
import argparse
import contextlib
import ctypes
import fcntl
import os
import pathlib
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

START_SECONDS = 60
STOP_SECONDS = 60
QUIT_SECONDS = 10  # a server gives its own processes 5 of them
ADDRESS = "127.0.0.1"
SUPERUSER = "postgres"
PR_SET_PDEATHSIG = 1
IPC_RMID = 0
SETTINGS = {
    "listen_addresses": ADDRESS,
    "shared_buffers": "64MB",
    "max_connections": "200",
    "max_prepared_transactions": "4",
    "max_wal_size": "256MB",
    "huge_pages": "off",
    "dynamic_shared_memory_type": "mmap",  # in its folder; what it has in /dev/shm it leaves there when it is killed
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %a ",
}
ENDS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def binaries():
    """The folder of the newest PostgreSQL here; without one the tests are skipped, or fail where all must run."""
    def number(path):
        name = path.parent.parent.name
        return int(name) if name.isdigit() else 0

    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=number)
    here = str(found[-1]) if found else shutil.which("initdb")
    if here:
        return pathlib.Path(here).parent
    if os.environ.get("TASKQ_TEST_COMPLETE"):
        raise RuntimeError("this needs PostgreSQL's initdb (Debian's postgresql package), and there is none")
    raise unittest.SkipTest("no PostgreSQL here")


def _other_user():
    """Whom to be where we are root; None where we are not."""
    if os.geteuid() != 0:
        return None
    for name in (SUPERUSER, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise RuntimeError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")


def _environment():
    """Nothing that stands in PG* variables points a tool somewhere else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"}


def _spawn(command, **options):
    user = _other_user()
    if user:
        options.update(user=user.pw_uid, group=user.pw_gid, extra_groups=[])
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, env=_environment(), cwd="/",
                            start_new_session=True, **options)


def _run(command, timeout=120):
    process = _spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()[0] + f"\nnot done within {timeout} s"
    if process.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {said}")


def _new_folder(disk=False, prefix="taskq-pg-"):
    base = None if disk or not os.access("/dev/shm", os.W_OK) else "/dev/shm"
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    user = _other_user()
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _template():
    """What initdb made, once a build folder; every server starts from a copy."""
    base = pathlib.Path(os.environ.get("TASKQ_TEST_CACHE") or os.path.join(tempfile.gettempdir(), f"taskq-test-{os.geteuid()}"))
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = base / f"postgres-{binaries().parent.name}"
    with open(base / "postgres.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            folder = _new_folder(prefix="taskq-initdb-")
            try:
                _run([binaries() / "initdb", "--pgdata", folder / "data", "--username", SUPERUSER, "--auth", "trust",
                      "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"])
                half = base / "postgres-half"
                shutil.rmtree(half, ignore_errors=True)
                subprocess.run(["cp", "-a", folder / "data", half], check=True)
                half.rename(place)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    return place


def _copy_running(primary, place, name):
    """What pg_basebackup brings, set up to follow the primary under that name."""
    source = f"host={ADDRESS} port={primary.port} user={SUPERUSER} application_name={name}"
    _run([primary.binaries / "pg_basebackup", "--dbname", source, "--pgdata", place, "--wal-method", "stream", "--checkpoint",
          "fast", "--write-recovery-conf", "--no-sync"])


def _free_port():
    """Below the range from which the kernel takes ports of outgoing connections: it is still free after a restart."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as text:
        low = int(text.read().split()[0])
    return random.SystemRandom().randrange(max(10000, low - 16000), low) if low > 12000 else random.randrange(20000, 65000)


class _Keeper:
    """A process that outlives this one by a moment, and takes away what it left."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-S", "-E", os.path.abspath(__file__), "keep"], stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, start_new_session=True, text=True, cwd="/")
        self.owner = os.getpid()

    def keep(self, folder):
        self.process.stdin.write(f"{folder}\n")
        self.process.stdin.flush()


_keeper = None


def _keep(folder):
    global _keeper
    if _keeper is None or _keeper.owner != os.getpid():
        _keeper = _Keeper()
    _keeper.keep(folder)


def _keep_until_the_end():
    folders = [line.strip() for line in sys.stdin]  # ends with the process that holds the other end
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        left = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_server_of(pid, folders)]
        if not left:
            break
        for pid in left:
            _kill_quietly(pid, signal.SIGKILL if time.monotonic() > deadline - 10 else signal.SIGQUIT)
            for each in (pid, *_children(pid)):
                _kill_quietly(each, signal.SIGCONT)  # a test may have paused it
        time.sleep(0.1)
    for folder in folders:
        _remove(pathlib.Path(folder))


def _is_server_of(pid, folders):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as text:
            words = text.read().split(b"\0")
    except OSError:
        return False
    return any(f"{folder}/data".encode() in words for folder in folders)


def _remove(folder):
    """The folder of a server that has ended, and the segment of System V that one leaves which could not take it away."""
    try:
        lines = (folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    if len(lines) > 6 and len(lines[6].split()) == 2:
        ctypes.CDLL(None).shmctl(int(lines[6].split()[1]), IPC_RMID, None)
    shutil.rmtree(folder, ignore_errors=True)


class Postgres:
    """One server. start() after any end goes on with the same data at the same port."""

    def __init__(self, disk=False, settings=None, _data_from=None, _name=None):
        self.binaries = binaries()
        self.folder = _new_folder(disk)
        _keep(self.folder)
        self.data, self.log_path = self.folder / "data", self.folder / "log"
        self.settings = settings or {}
        self.process, self.port, self.standbys, self.paused = None, None, [], []
        if _data_from is None:
            subprocess.run(["cp", "-a", "--reflink=auto", _template(), self.data], check=True)
        else:
            _copy_running(_data_from, self.data, _name)
        self._write_settings()

    # Its life

    def _write_settings(self):
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as text:
            for name, value in {**SETTINGS, "unix_socket_directories": self.folder, **self.settings}.items():
                text.write(f"{name} = '{value}'\n")

    def start(self):
        for _ in range(1 if self.port else 8):
            port = self.port or _free_port()
            if self._start_at(port):
                self.port = port
                return self
        raise AssertionError(f"PostgreSQL did not start; its log:\n{self.log()[-4000:]}")

    def _start_at(self, port):
        with open(self.log_path, "ab") as log:
            before = log.tell()
            self.process = _spawn([self.binaries / "postgres", "-D", self.data, "-p", port], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                if "could not bind" in self.log()[before:]:
                    return False
                raise AssertionError(f"PostgreSQL ended at its start; its log:\n{self.log()[before:]}")
            if self._says_ready():
                return True
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"PostgreSQL was not ready within {START_SECONDS} s; its log:\n{self.log()[before:]}")

    def _says_ready(self):
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) > 7 and int(lines[0]) == self.process.pid and lines[7].strip() in ("ready", "standby")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, how="fast", timeout=STOP_SECONDS):
        """smart, fast or immediate, as pg_ctl names them."""
        if self.is_running():
            self.process.send_signal(ENDS[how])
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"PostgreSQL did not stop ({how}) within {timeout} s; its log:\n{self.log()[-4000:]}") from None

    def kill(self):
        """kill -9 of the server and of all its processes, as if the machine had lost them."""
        if self.process is None:
            return
        if self.is_running():
            self.process.send_signal(signal.SIGSTOP)  # it makes no new ones meanwhile
            children = _children(self.process.pid)
            self.process.kill()
            for pid in children:
                _kill_quietly(pid)
            self.process.wait()
            deadline = time.monotonic() + STOP_SECONDS
            while any(_lives(pid) for pid in children) and time.monotonic() < deadline:
                time.sleep(0.005)
        self.paused = []

    def restart(self, how="fast"):
        self.stop(how)
        return self.start()

    def pause(self):
        """Nothing of it moves any more, and its connections stay: as a machine that hangs."""
        self.paused = [self.process.pid, *_children(self.process.pid)]
        for pid in self.paused:
            _kill_quietly(pid, signal.SIGSTOP)

    def resume(self):
        for pid in self.paused:
            _kill_quietly(pid, signal.SIGCONT)
        self.paused = []

    def close(self):
        for standby in self.standbys:
            standby.close()
        self.resume()
        if self.is_running():
            self.process.send_signal(ENDS["immediate"])
            try:
                self.process.wait(QUIT_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
        _remove(self.folder)

    def __enter__(self):
        return self.start() if not self.is_running() else self

    def __exit__(self, *_):
        self.close()

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    # Its clients

    def url(self, database=SUPERUSER, user=SUPERUSER, others=(), **parameters):
        """A connection string; with others, one that names several hosts and takes the one that can write."""
        hosts = ",".join(f"{ADDRESS}:{server.port}" for server in (self, *others))
        if others:
            parameters = {"target_session_attrs": "read-write", **parameters}
        more = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://{user}@{hosts}/{database}" + (f"?{more}" if more else "")

    def query(self, sql, database=SUPERUSER, timeout=60):
        """Rows, each a list of texts ('' for null too)."""
        done = subprocess.run([self.binaries / "psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-F", "\x1f", "-d", self.url(database),
                               "-f", "-"], input=sql, capture_output=True, text=True, env=_environment(), timeout=timeout)
        if done.returncode != 0:
            raise AssertionError(f"{sql}: {done.stderr}")
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def value(self, sql, database=SUPERUSER):
        return self.query(sql, database)[0][0]

    def wait_for(self, sql, expected, database=SUPERUSER, timeout=30):
        """Asks until the one value is as expected."""
        deadline, rows = time.monotonic() + timeout, None
        while time.monotonic() < deadline:
            rows = self.query(sql, database)
            if rows and rows[0][0] == expected:
                return
            time.sleep(0.05)
        raise AssertionError(f"{sql}: {rows} instead of {expected} after {timeout} s")

    def create_database(self, name):
        self.query(f'CREATE DATABASE "{name}"')
        return self.url(name)

    @contextlib.contextmanager
    def held_snapshot(self, database=SUPERUSER, name="holder"):
        """A session of that name that looked at the database once and then does nothing, its transaction open; its process's id."""
        session = subprocess.Popen([self.binaries / "psql", "-XAtqw", "-d", self.url(database, application_name=name)], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment())
        try:
            session.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_backend_pid();\n")
            session.stdin.flush()
            pid = session.stdout.readline().strip()
            if not pid.isdigit():
                raise AssertionError("psql did not hold a snapshot")
            yield pid
        finally:
            session.stdin.close()
            session.wait(30)
            session.stdout.close()

    def set(self, name, value):
        """A setting, taken at once (those that need no restart)."""
        self.query(f"ALTER SYSTEM SET {name} = '{value}'")
        self.query("SELECT pg_reload_conf()")

    # Its standby

    def standby(self, synchronous=True, name="standby1", disk=False):
        """A running copy that follows this one. Synchronous: no commit is acknowledged before it has it on disk."""
        other = Postgres(disk, self.settings, _data_from=self, _name=name)
        self.standbys.append(other)
        other.start()
        if synchronous:
            self.set("synchronous_standby_names", name)
        state = "sync" if synchronous else "async"
        self.wait_for(f"SELECT sync_state FROM pg_stat_replication WHERE application_name = '{name}' AND state = 'streaming'", state)
        return other

    def stop_receiver(self):
        """Of a standby: nothing more of the primary reaches it."""
        self.set("primary_conninfo", "")
        self.wait_for("SELECT count(*) FROM pg_stat_wal_receiver", "0")

    def promote(self):
        """A standby becomes the one that can write."""
        if self.value("SELECT pg_promote(true, 60)") != "t":
            raise AssertionError(f"the standby was not promoted; its log:\n{self.log()[-4000:]}")


def _children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as text:
            return [int(word) for word in text.read().split()]
    except OSError:
        return []


def _lives(pid):
    """A dead one that nobody has asked about yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as text:
            return text.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _kill_quietly(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _end_with_the_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _run_with_a_server(arguments):
    try:
        server = Postgres(arguments.disk, dict(pair.split("=", 1) for pair in arguments.set)).start()
    except unittest.SkipTest as reason:
        print(f"1..0 # SKIP {reason}", flush=True)
        return 0
    with server:
        others = [server.standby(arguments.standby == "sync")] if arguments.standby else []
        child = subprocess.Popen(arguments.command, env={**os.environ, "TASKQ_TEST_POSTGRES": server.url(others=others)},
                                 preexec_fn=_end_with_the_parent)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: child.send_signal(number))
        status = child.wait()
        if status != 0:
            print(f"PostgreSQL's log ends with:\n{server.log()[-3000:]}", file=sys.stderr)
        return status if status >= 0 else 128 - status


def main():
    if sys.argv[1:] == ["keep"]:
        return _keep_until_the_end()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run"])
    parser.add_argument("--disk", action="store_true", help="on disk, not in memory")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of PostgreSQL")
    parser.add_argument("--standby", choices=["sync", "async"], help="a standby beside it; the string names both")
    words = sys.argv[1:]
    own = words[:words.index("--")] if "--" in words else words
    arguments = parser.parse_args(own)
    arguments.command = words[len(own) + 1:]
    if not arguments.command:
        parser.error("no command behind --")
    return _run_with_a_server(arguments)


if __name__ == "__main__":
    sys.exit(main())
