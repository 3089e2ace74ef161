# SPDX-License-Identifier: MIT
"""PostgreSQL as the cluster has it: a primary, and a standby that has every acknowledged commit."""
import ctypes
import os
import pathlib
import pwd
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import time

SECONDS_MAX = 120
IPC_RMID = 0


class DatabaseFailed(Exception):
    pass


def binaries():
    """Debian keeps them beside each other, a folder a version, and not on the PATH."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not folders:
        raise DatabaseFailed("there is no PostgreSQL on this machine: apt-get install postgresql")
    return folders[-1].parent


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Node:
    """One PostgreSQL server, primary or standby. It refuses to run as root, so as root we run it as another user."""

    def __init__(self, name, folder, password):
        self.name, self.folder, self.password, self.port = name, folder, password, free_port()
        self.bin, self.process = binaries(), None
        self.log = folder.parent / f"{name}.log"
        self.user = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            self.user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def call(self, program, *options):
        try:
            said = subprocess.run([self.bin / program, *map(str, options)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  env={"PATH": "/usr/bin:/bin", "PGPASSWORD": self.password, "LC_ALL": "C.UTF-8"},
                                  cwd=self.folder.parent, timeout=SECONDS_MAX, **self.user)
        except subprocess.TimeoutExpired:
            raise DatabaseFailed(f"{self.name}: {program} is not done within {SECONDS_MAX} s") from None
        if said.returncode != 0:
            raise DatabaseFailed(f"{self.name}: {program}: {said.stderr.strip()}")
        return said.stdout

    def sql(self, text):
        return self.call("psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", self.port, "-U", "taskq", "-d", "postgres", "-c", text).strip()

    def command(self, *statements):
        """For somebody's shell: what says these statements to this server."""
        secret = shlex.quote(str(self.folder.parent / "password"))
        options = "".join(f' -c "{statement}"' for statement in statements)
        return f"PGPASSWORD=$(cat {secret}) psql -X -h 127.0.0.1 -p {self.port} -U taskq -d postgres{options}"

    def configure(self, **settings):
        with open(self.folder / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def make(self):
        secret = self.folder.parent / "password"
        self.call("initdb", "-D", self.folder, "-U", "taskq", "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync",
                  f"--pwfile={secret}")
        self.configure(listen_addresses="127.0.0.1", port=self.port, unix_socket_directories="", wal_level="replica",
                       synchronous_commit="on", max_connections=60, shared_buffers="64MB",
                       dynamic_shared_memory_type="mmap")  # in its folder, of which nothing is left, also when it is killed

    def copy(self, primary):
        """A standby of `primary`: its files, and from then on everything that it writes."""
        self.call("pg_basebackup", "-D", self.folder, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d",
                  f"host=127.0.0.1 port={primary.port} user=taskq application_name={self.name}")
        auto = self.folder / "postgresql.auto.conf"
        text = auto.read_text(encoding="utf-8")
        if "password=" not in text:
            raise DatabaseFailed(f"{self.name}: pg_basebackup wrote no password into {auto}")
        self.configure(port=self.port)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.bin / "postgres", "-D", str(self.folder)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                                            cwd=self.folder.parent, **self.user)
        until = time.monotonic() + SECONDS_MAX
        while True:
            try:
                self.sql("SELECT 1")
                return
            except DatabaseFailed as failure:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise DatabaseFailed(f"{self.name} does not come up, see {self.log}") from failure
                time.sleep(0.1)

    @property
    def pid(self):
        return self.process.pid

    def has_ended(self):
        return self.process.poll() is not None

    def promote(self):
        self.call("pg_ctl", "promote", "-D", self.folder, "-w")

    def kill(self):
        """As a machine that is gone: no checkpoint, no farewell."""
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        self.process.kill()
        self.process.wait()
        for child in children:
            try:
                os.kill(int(child), 9)
            except ProcessLookupError:
                pass

    def stop(self):
        if self.process is not None and not self.has_ended():
            self.process.send_signal(signal.SIGINT)  # fast: connections are ended
            try:
                self.process.wait(SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()
        self.remove_segment()

    def remove_segment(self):
        """The system has 4096 segments of System V in all, and one that is killed leaves its own."""
        try:
            lines = (self.folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return  # it has ended as it should
        if len(lines) > 6 and len(lines[6].split()) == 2:
            ctypes.CDLL(None).shmctl(int(lines[6].split()[1]), IPC_RMID, None)


class Database:
    """A primary and a synchronous standby: a commit is acknowledged once both have it on disk."""

    def __init__(self, folder):
        password = secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        (folder / "password").write_text(password + "\n", encoding="utf-8")
        self.primary = Node("primary", folder / "primary", password)
        self.standby = Node("standby", folder / "standby", password)
        if self.primary.user:
            for path in (folder, folder / "password"):
                shutil.chown(path, self.primary.user["user"], self.primary.user["group"])
        # libpq tries one host after the other and takes the one that may be written to: after a promotion that is the other one.
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        self.url = f"postgresql://taskq:{password}@{hosts}/postgres?target_session_attrs=read-write&connect_timeout=2"

    def start(self):
        self.primary.make()
        self.primary.start()
        self.standby.copy(self.primary)
        self.standby.start()
        self.primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.primary.sql("SELECT pg_reload_conf()")
        until = time.monotonic() + SECONDS_MAX
        while self.primary.sql("SELECT sync_state FROM pg_stat_replication") != "sync":
            if time.monotonic() > until:
                raise DatabaseFailed("the standby does not follow the primary")
            time.sleep(0.1)

    def meaning(self, node):
        """Of the end of one of the two: what it means, and the command that goes on without it."""
        if self.primary.has_ended() and self.standby.has_ended():
            return "so have both now, and without a database nothing is served", None
        if node is self.primary:
            return "nothing is read or written until the standby is promoted", self.standby.command("SELECT pg_promote()")
        return ("whatever writes waits for it from now on, and is answered 503 in the end. To go on without a second copy",
                self.primary.command("ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()"))

    def stop(self):
        for node in (self.primary, self.standby):
            node.stop()
