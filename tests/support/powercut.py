# SPDX-License-Identifier: MIT
"""A disk whose power can be cut, and a look into the log that SQLite left on it.

The disk is an ext4 image on a loop device. EXT4_IOC_SHUTDOWN without a flush of the journal drops what was written but not
flushed, and lets nothing more through; mounting it again replays the journal as after a real cut. What it does not show is a
device that loses what it said was flushed.

Everything is mounted in a mount namespace of this process alone, image included: however the process ends, no mount and no loop device is left.
"""
import ctypes
import fcntl
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

CLONE_NEWNS = 0x00020000
EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, uint32_t)
NO_LOG_FLUSH = 2
IMAGE_BYTES = 256 << 20
FRAME_HEADER, FILE_HEADER = 24, 32

_private = False


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def _leave_the_others_mounts():
    global _private
    if _private:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise unittest.SkipTest(f"no mounts of its own: {os.strerror(ctypes.get_errno())}")
    _run("mount", "--make-rprivate", "/")
    _private = True


class Disk:
    """Mounted at `place`; cut() and then remount(), or close()."""

    def __init__(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may mount a disk")
        self.mounted = []
        try:
            _leave_the_others_mounts()
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="taskq-"))
            self._mount("-t", "tmpfs", "none", self.folder)
            self.image, self.place = self.folder / "disk.img", self.folder / "disk"
            self.place.mkdir()
            self.image.touch()
            os.truncate(self.image, IMAGE_BYTES)
            _run("mkfs.ext4", "-q", "-F", "-b", "4096", self.image)
            self._mount("-o", "loop", self.image, self.place)
        except OSError as error:
            self.close()
            raise unittest.SkipTest(f"no disk of its own: {error}") from None

    def _mount(self, *arguments):
        _run("mount", *arguments)
        self.mounted.append(arguments[-1])

    def cut(self):
        place = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(place, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(place)

    def remount(self):
        _run("umount", self.mounted.pop())
        self._mount("-o", "loop", self.image, self.place)

    def close(self):
        while self.mounted:
            _run("umount", self.mounted.pop())
        if getattr(self, "folder", None):
            self.folder.rmdir()
            self.folder = None


class Log:
    """The log of a database, as it lies there."""

    def __init__(self, database):
        self.log, self.index = f"{database}-wal", f"{database}-shm"

    def head(self):
        """How often it has been started over, and its salts; None where it is empty."""
        try:
            with open(self.log, "rb") as file:
                head = file.read(FILE_HEADER)
        except FileNotFoundError:
            return None
        return struct.unpack(">I8s", head[12:24]) if len(head) == FILE_HEADER and any(head) else None

    def frames(self):
        """Of a running server: how many frames there are, and how many of them were copied back."""
        with open(self.index, "rb") as file:
            index = file.read(100)
        return struct.unpack("=I", index[16:20])[0], struct.unpack("=I", index[96:100])[0]

    def bytes(self):
        return os.stat(self.log).st_size

    def parts(self):
        """(frames of this round, frames of an earlier round behind them, bytes of zeros at the end)."""
        head = self.head()
        if head is None:
            return 0, 0, 0
        data = pathlib.Path(self.log).read_bytes()
        size = FRAME_HEADER + struct.unpack(">I", data[8:12])[0]
        salts = [data[at + 8:at + 16] for at in range(FILE_HEADER, len(data) - size + 1, size)]
        current = next((i for i, salt in enumerate(salts) if salt != head[1]), len(salts))
        stale = sum(any(salt) for salt in salts[current:])
        return current, stale, len(data) - len(data.rstrip(b"\0"))
