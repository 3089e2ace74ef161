# SPDX-License-Identifier: MIT
"""file jobs that meet what is no plain file, what never ends, and a disk that is full."""
import os
import resource
import shutil
import socket
import stat
import subprocess
import unittest

import netspace
from waiting import wait_until
from workcase import WorkCase

MIB = 1 << 20
TEXT = "x" * 600000


def setUpModule():
    # A mount namespace of our own, for the small disk: what is mounted here is nobody else's, and gone with this process.
    try:
        netspace.enter()
    except unittest.SkipTest:
        pass  # the small disk alone needs it, and says so


class FileCase(WorkCase):
    worker_arguments = ()

    def setUp(self):
        super().setUp()
        self.root = self.folder / "root"
        self.root.mkdir()
        self.prepare()
        self.process = self.worker("--file-root", self.root, *self.worker_arguments)

    def prepare(self):
        """What must be there before the worker is."""

    def run_job(self, op, **payload):
        return self.wait_for(self.enqueue(type="file", payload={"op": op, **payload}, max_attempts=1))

    def done(self, op, **payload):
        job = self.run_job(op, **payload)
        self.assertEqual(job["state"], "succeeded", job.get("error"))
        return job["result"]

    def refused(self, code, op, **payload):
        job = self.run_job(op, **payload)
        self.assertEqual((job["state"], (job.get("error") or {}).get("code")), ("failed", code), job)


class NoPlainFiles(FileCase):
    def test_devices_sockets_and_pipes_are_not_read_and_hold_nobody_up(self):
        os.mkfifo(self.root / "pipe")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.root / "socket"))
            special = ["pipe", "socket"]
            for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8)):
                try:
                    os.mknod(self.root / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
                except PermissionError:
                    continue
                special.append(name)
            for name in special:
                for op, more in (("read", {}), ("checksum", {}), ("copy", {"to": "copy"}), ("append", {"content": "x"})):
                    with self.subTest(name=name, op=op):
                        job = self.run_job(op, path=name, **more)
                        self.assertEqual(job["state"], "failed", job)
                self.assertFalse((self.root / "copy").exists())

    def test_a_write_to_a_device_replaces_its_name_and_never_writes_to_it(self):
        os.mkfifo(self.root / "pipe")
        self.done("write", path="pipe", content="x")
        self.assertTrue((self.root / "pipe").is_file())


class Giants(FileCase):
    def prepare(self):
        with open(self.root / "giant", "wb") as file:
            file.truncate(1 << 40)
        self.free = shutil.disk_usage(self.root).free

    def test_a_sparse_terabyte_is_neither_copied_nor_read_to_its_end(self):
        self.refused("too-large", "copy", path="giant", to="copy")
        self.refused("too-large", "append", path="giant", content="x")
        self.refused("too-large", "checksum", path="giant")
        result = self.done("read", path="giant")
        self.assertTrue(result["truncated"])
        self.assertLessEqual(len(result["content"]), MIB)
        self.assertEqual(os.listdir(self.root), ["giant"])
        self.assertLess(self.free - shutil.disk_usage(self.root).free, 64 * MIB)

    def test_it_may_be_moved_and_deleted(self):
        self.assertEqual(self.done("move", path="giant", to="moved")["bytes"], 1 << 40)
        self.done("delete", path="moved")


class Bounds(FileCase):
    worker_arguments = ("--file-max-bytes", "100KiB")

    def test_the_bound_is_met_to_the_byte(self):
        (self.root / "fits").write_bytes(b"x" * 102400)
        (self.root / "not").write_bytes(b"x" * 102401)
        self.assertEqual(self.done("copy", path="fits", to="copy")["bytes"], 102400)
        self.done("checksum", path="fits")
        self.refused("too-large", "copy", path="not", to="copy2")
        self.refused("too-large", "checksum", path="not")
        self.refused("too-large", "append", path="fits", content="x")
        self.done("write", path="new", content="x" * 102399)
        self.done("append", path="new", content="x")
        self.refused("too-large", "append", path="new", content="x")
        self.refused("too-large", "write", path="other", content="x" * 102401)
        self.assertEqual(sorted(os.listdir(self.root)), ["copy", "fits", "new", "not"])


class Unbounded(FileCase):
    worker_arguments = ("--file-max-bytes", "2048GiB")

    def test_a_job_that_reads_for_hours_ends_when_it_is_canceled(self):
        with open(self.root / "giant", "wb") as file:
            file.truncate(1 << 40)
        job = self.enqueue(type="file", payload={"op": "checksum", "path": "giant"}, lease_ms=1000)
        self.wait_for(job, "running")
        self.api.cancel(job["id"])
        self.assertEqual(self.wait_for(job)["state"], "canceled")


class FullDisk(FileCase):
    def prepare(self):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(self.root)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no small disk: {done.stderr.strip()}")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(self.root)], check=True))

    def test_what_does_not_fit_fails_and_leaves_nothing_behind(self):
        self.done("write", path="first", content=TEXT)
        for op, payload in (("write", {"path": "second", "content": TEXT}), ("write", {"path": "first", "content": "y" * 600000}),
                            ("copy", {"path": "first", "to": "second"}), ("append", {"path": "first", "content": "z"})):
            with self.subTest(op=op, payload=payload["path"]):
                self.refused("disk-full", op, **payload)
                self.assertEqual(os.listdir(self.root), ["first"])
                self.assertEqual((self.root / "first").read_text(), TEXT)
        self.done("delete", path="first")
        self.done("write", path="second", content=TEXT)


class FileLimit(FileCase):
    def test_a_limit_of_the_system_is_an_error_and_no_end_of_the_worker(self):
        resource.prlimit(self.process.program.pid, resource.RLIMIT_FSIZE, (100000, 100000))
        self.refused("too-large", "write", path="a", content=TEXT)
        self.assertEqual(os.listdir(self.root), [])
        self.done("write", path="a", content="x" * 1000)
        self.assertTrue(self.process.program.is_running())


if __name__ == "__main__":
    unittest.main()
