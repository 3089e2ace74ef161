# SPDX-License-Identifier: MIT
"""A fresh Debian of its own, laid down by debootstrap and started by systemd-nspawn with systemd as its first process: what is installed there
is run as its units say, and nothing of it is seen on the machine that runs the tests. Once it runs it has a loopback interface and no other
network. Needs root."""
import atexit
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from waiting import wait_until

START_SECONDS = 120
PR_SET_PDEATHSIG = 1
POWER_OFF = signal.SIGRTMIN + 4
NEEDED = ("debootstrap", "systemd-nspawn", "nsenter")


def run(*command, timeout=1200, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False,
                          **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def archives():
    """(address, suite) of each part of Debian that this machine installs from; that of the release itself first."""
    listed = run("apt-get", "indextargets", "--format", "$(ORIGIN) $(CREATED_BY) $(COMPONENT) $(REPO_URI) $(RELEASE)")
    found = [line.split()[3:] for line in listed.splitlines() if line.startswith("Debian Packages main ")]
    return sorted(dict.fromkeys(map(tuple, found)), key=lambda one: len(one[1]))


def lay_down(root, packages=()):
    """A Debian as small as can be, with these packages more. What debootstrap mounts is gone with it, however it ends."""
    (address, suite), *_ = archives()
    more = [f"--include={','.join(packages)}"] if packages else []
    run("unshare", "--mount", "debootstrap", "--variant=minbase", *more, suite, root, address)
    sources = "".join(f"deb {address} {suite} main\n" for address, suite in archives())
    (root / "etc/apt/sources.list").write_text(sources)


def _die_with_us():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    def __init__(self, packages):
        """Lays it down, with these packages."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="taskq-machine-"))
        self.root, self.log = self.folder / "root", self.folder / "console.log"
        self.process = self.leader = None
        atexit.register(self.discard)
        lay_down(self.root, ["systemd", "systemd-sysv", *packages])

    def chroot(self, *command, **more):
        """A command while it does not run, with this machine's network."""
        (self.root / "etc/resolv.conf").write_text(pathlib.Path("/etc/resolv.conf").read_text())
        return run("chroot", self.root, *command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
                   **more)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--private-network", "--resolv-conf=off", "--timezone=off",
                 f"--machine={self.folder.name}", f"--directory={self.root}", "--console=read-only"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_us)
        try:
            self.leader = wait_until(self._find_leader, START_SECONDS, "the first process of the machine")
            wait_until(self._is_up, START_SECONDS, "a machine that has started")
        except AssertionError as error:
            raise AssertionError(f"{error}; its console:\n{self.log.read_text(errors='replace')[-4000:]}") from None
        return self

    def _find_leader(self):
        if self.process.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended with {self.process.returncode}")
        for pid in pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return pid
        return None

    def _is_up(self):
        done = self.call("systemctl", "is-system-running")
        return done.stdout.strip() in ("running", "degraded")

    def call(self, *command, **more):
        """A command in the running machine, however it ends."""
        return subprocess.run(["nsenter", "--target", self.leader, "--all", "--", *map(str, command)], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=120,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}, **more)

    def run(self, *command):
        """A command in the running machine that has to succeed; what it printed."""
        done = self.call(*command)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def sh(self, script):
        return self.run("sh", "-euc", script)

    def show(self, unit, name):
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def files(self):
        """Every path in it, with what it is: sizes and times left out."""
        found = set()
        for folder, folders, names in os.walk(self.root):
            for name in folders + names:
                found.add(os.path.join(folder, name).removeprefix(f"{self.root}/"))
        return found

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        if self.leader:
            os.kill(int(self.leader), POWER_OFF)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.kill(int(self.leader), signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def discard(self):
        self.stop()
        atexit.unregister(self.discard)
        for _ in range(3):  # what ended a moment ago may still hold a mount
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                return
            time.sleep(0.5)
