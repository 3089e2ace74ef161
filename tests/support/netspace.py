# SPDX-License-Identifier: MIT
"""A network of one's own: enter() puts this process, and whatever it starts from then on, into fresh network and mount
namespaces. There every address of the world, but for what is no unicast address, is this machine (so an attack on 169.254.169.254,
10.0.0.1 or a public address really arrives, at a listener of ours), and names are looked up at 127.0.0.53, a server of ours.

It needs root, or a kernel that lets users make namespaces; where neither is to be had the tests are skipped.
"""
import ctypes
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from waiting import wait_until

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
RESOLVER = "127.0.0.53"


def _unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise unittest.SkipTest(f"no namespaces of our own: {os.strerror(number)}")


def _run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise unittest.SkipTest(f"{' '.join(words)}: {done.stderr.strip()}")


def _become_root():
    user, group = os.getuid(), os.getgid()
    _unshare(CLONE_NEWUSER)
    pathlib.Path("/proc/self/setgroups").write_text("deny")
    pathlib.Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    pathlib.Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def enter(world=True):
    """To be called from setUpModule, before there is any thread. Without `world` there is a network with nothing in it, to which
    neighbours may be added, and names are looked up as ever."""
    if not shutil.which("ip") or not shutil.which("mount"):
        raise unittest.SkipTest("ip and mount are needed (packages iproute2, mount)")
    if os.getuid() != 0:
        _become_root()
    _unshare(CLONE_NEWNET | CLONE_NEWNS)
    _run("mount", "--make-rprivate", "/")
    _run("ip", "link", "set", "lo", "up")
    if not world:
        return
    _run("ip", "route", "add", "local", "default", "dev", "lo")
    if pathlib.Path("/proc/net/if_inet6").exists():
        _run("ip", "-6", "route", "add", "local", "default", "dev", "lo")
    with tempfile.NamedTemporaryFile("w", prefix="taskq-resolv-", delete=False) as file:
        file.write(f"nameserver {RESOLVER}\noptions attempts:1 timeout:1\n")
    os.chmod(file.name, 0o644)
    _run("mount", "--bind", file.name, os.path.realpath("/etc/resolv.conf"))


class Neighbour:
    """Another machine, with a wire to this one: ours is HERE, its own is THERE."""

    HERE, THERE = "10.77.0.1", "10.77.0.2"

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.inside = ["nsenter", "--net", "--target", str(self.holder.pid)]
        try:
            ours = os.readlink("/proc/self/ns/net")
            wait_until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != ours, what="the neighbour's network")
            _run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(self.holder.pid))
            _run("ip", "address", "add", f"{self.HERE}/24", "dev", "near")
            _run("ip", "link", "set", "near", "up")
            _run(*self.inside, "ip", "address", "add", f"{self.THERE}/24", "dev", "far")
            _run(*self.inside, "ip", "link", "set", "far", "up")
        except BaseException:
            self.close()
            raise

    def start(self, *words, **options):
        return subprocess.Popen([*self.inside, *map(str, words)], **options)

    def connections(self):
        """How many of its connections with us are open now."""
        there = "".join(f"{int(part):02X}" for part in reversed(self.THERE.split(".")))
        with open("/proc/self/net/tcp", encoding="ascii") as file:
            return sum(line.split()[2].startswith(there) and line.split()[3] == "01" for line in list(file)[1:])

    def close(self):
        self.holder.kill()
        self.holder.wait()


class Names(threading.Thread):
    """A name server that answers as it likes: answer(name) gives a list of addresses, asked anew for every question. TTL 0."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer, self.questions = answer, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((RESOLVER, 53))
        self.start()

    def run(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            self.socket.sendto(self._reply(question), peer)

    def _reply(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode("latin-1"))
            at += 1 + question[at]
        kind = struct.unpack("!H", question[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        records = b""
        count = 0
        family, size = {1: (socket.AF_INET, 4), 28: (socket.AF_INET6, 16)}.get(kind, (None, 0))
        if family:
            self.questions.append((name, kind))
            for address in self.answer(name, family):
                records += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, size) + socket.inet_pton(family, address)
                count += 1
        return question[:2] + struct.pack("!HHHHH", 0x8180, 1, count, 0, 0) + question[12:at + 5] + records

    def close(self):
        self.socket.close()


class Listener(threading.Thread):
    """Everybody's port: remembers the address each connection came for, and answers by reply(address, request)."""

    def __init__(self, port=80, reply=None):
        super().__init__(daemon=True)
        self.lock = threading.Lock()
        self.arrived = []  # guarded by lock
        self.requests = []  # guarded by lock
        self.reply = reply or (lambda address, request: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nin")
        family = socket.AF_INET6 if pathlib.Path("/proc/net/if_inet6").exists() else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind(("", port))
        self.socket.listen(512)
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            address = connection.getsockname()[0].removeprefix("::ffff:")
            with self.lock:
                self.arrived.append(address)
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection, address):
        with connection:
            try:
                connection.settimeout(30)
                request = b""
                while b"\r\n\r\n" not in request:
                    data = connection.recv(65536)
                    if not data:
                        return
                    request += data
                with self.lock:
                    self.requests.append((address, request))
                answer = self.reply(address, request)
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(piece)
            except OSError:
                return  # the worker hung up, as it may

    def take(self):
        """The addresses that were connected to since the last time."""
        with self.lock:
            arrived, self.arrived = self.arrived, []
            return arrived

    def close(self):
        self.socket.close()
