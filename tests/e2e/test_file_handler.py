# SPDX-License-Identifier: MIT
"""The file handler: each operation below its root, and no way out of it."""
import base64
import hashlib
import os
import unittest

from shape import is_time
from waiting import wait_until
from workcase import WorkCase


class FileCase(WorkCase):
    def setUp(self):
        super().setUp()
        self.root = self.folder / "root"
        self.root.mkdir()
        self.outside = self.folder / "outside"
        self.outside.mkdir()
        (self.outside / "secret").write_text("secret")
        self.worker("--file-root", self.root)

    def run_job(self, op, **payload):
        return self.wait_for(self.enqueue(type="file", payload={"op": op, **payload}, backoff={"base_ms": 0}, max_attempts=2))

    def done(self, op, **payload):
        job = self.run_job(op, **payload)
        self.assertEqual(job["state"], "succeeded", job.get("error"))
        return job["result"]

    def refused(self, op, **payload):
        job = self.run_job(op, **payload)
        self.assertEqual((job["state"], job["attempt"]), ("failed", 1), job)
        self.assertTrue(job["error"]["code"])
        return job


class Operations(FileCase):
    def test_write_and_read(self):
        self.assertEqual(self.done("write", path="a.txt", content="hello é")["bytes"], 8)
        self.assertEqual((self.root / "a.txt").read_text(), "hello é")
        result = self.done("read", path="a.txt")
        self.assertEqual((result["content"], result["encoding"], result["truncated"]), ("hello é", "utf-8", False))

    def test_bytes_go_in_and_out_as_base64(self):
        data = bytes(range(256))
        self.done("write", path="b", content=base64.b64encode(data).decode(), encoding="base64")
        self.assertEqual((self.root / "b").read_bytes(), data)
        result = self.done("read", path="b")
        self.assertEqual((result["encoding"], base64.b64decode(result["content"])), ("base64", data))
        self.refused("write", path="c", content="!!!", encoding="base64")

    def test_append(self):
        self.done("append", path="log", content="one\n")
        self.assertEqual(self.done("append", path="log", content="two\n")["bytes"], 4)
        self.assertEqual((self.root / "log").read_text(), "one\ntwo\n")

    def test_copy_and_move(self):
        (self.root / "a").write_bytes(b"x" * 100000)
        self.assertEqual(self.done("copy", path="a", to="b")["bytes"], 100000)
        self.done("move", path="b", to="c")
        self.assertEqual(sorted(os.listdir(self.root)), ["a", "c"])
        self.assertEqual((self.root / "c").read_bytes(), b"x" * 100000)

    def test_nothing_is_overwritten_where_that_is_said(self):
        (self.root / "a").write_text("new")
        for op, payload in (("write", {"path": "b", "content": "new"}), ("copy", {"path": "a", "to": "b"}), ("move", {"path": "a", "to": "b"})):
            (self.root / "b").write_text("old")
            self.assertEqual(self.run_job(op, overwrite=False, **payload)["state"], "failed")
            self.assertEqual(((self.root / "b").read_text(), (self.root / "a").read_text()), ("old", "new"))
            self.done(op, **payload)
            self.assertEqual((self.root / "b").read_text(), "new")
            (self.root / "a").write_text("new")

    def test_parents_are_made_where_that_is_said(self):
        self.assertEqual(self.run_job("write", path="x/y/z", content="1")["state"], "failed")
        self.done("write", path="x/y/z", content="1", parents=True)
        self.assertEqual((self.root / "x/y/z").read_text(), "1")
        self.done("mkdir", path="p/q/r", parents=True)
        self.assertTrue((self.root / "p/q/r").is_dir())

    def test_mkdir_list_stat_and_delete(self):
        self.done("mkdir", path="d")
        self.done("write", path="d/f", content="12345")
        entries = self.done("list", path="d")["entries"]
        self.assertEqual([entry["name"] if isinstance(entry, dict) else entry for entry in entries], ["f"])
        stat = self.done("stat", path="d/f")
        self.assertEqual((stat["type"], stat["size"]), ("file", 5))
        self.assertTrue(is_time(stat["modified_at"]), stat)
        self.assertIn("mode", stat)
        self.assertIn(self.done("stat", path="d")["type"], ("directory", "dir"))
        self.done("delete", path="d/f")
        self.done("delete", path="d")
        self.assertEqual(os.listdir(self.root), [])

    def test_checksum(self):
        data = os.urandom(3000000)
        (self.root / "big").write_bytes(data)
        result = self.done("checksum", path="big")
        self.assertEqual((result["sha256"], result["bytes"]), (hashlib.sha256(data).hexdigest(), len(data)))

    def test_what_is_not_there_fails(self):
        for op in ("read", "delete", "stat", "checksum", "list"):
            self.assertEqual(self.run_job(op, path="nothing")["state"], "failed")

    def test_a_long_file_is_cut_and_says_so(self):
        (self.root / "big").write_bytes(b"x" * 5000000)
        result = self.done("read", path="big")
        self.assertTrue(result["truncated"])
        self.assertGreater(len(result["content"]), 1000)

    def test_a_reader_never_sees_half_a_write(self):
        size, target = 400000, self.root / "shared"
        target.write_text("a" * size)
        jobs = self.api.enqueue_many([{"type": "file", "queue": self.queue, "payload": {"op": "write", "path": "shared", "content": letter * size}}
                                      for letter in "ab"])
        seen = 0

        def all_written():
            nonlocal seen
            text = target.read_text()
            self.assertEqual((len(text), len(set(text))), (size, 1))
            seen += 1
            return all(self.api.job(job["id"])["state"] == "succeeded" for job in jobs)

        for _ in range(10):
            wait_until(all_written, step=0)
            jobs = [self.api.retry(job["id"]) for job in jobs]
        wait_until(all_written, step=0)
        self.assertGreater(seen, 10)

    def test_a_write_leaves_nothing_else_behind(self):
        for number in range(10):
            self.done("write", path="same", content=f"{number}" * 1000)
        self.assertEqual(os.listdir(self.root), ["same"])


class NoWayOut(FileCase):
    ESCAPES = ["../outside/secret", "/etc/passwd", "x/../../outside/secret", "..", "", "link/secret", "direct", "absolute", "\u0000", "a\u0000b"]

    def setUp(self):
        super().setUp()
        (self.root / "x").mkdir()
        (self.root / "link").symlink_to("../outside")
        (self.root / "direct").symlink_to("../outside/secret")
        (self.root / "absolute").symlink_to(self.outside / "secret")
        (self.root / "mine").write_text("mine")

    def tearDown(self):
        self.assertEqual((self.outside / "secret").read_text(), "secret")
        self.assertEqual(os.listdir(self.outside), ["secret"])

    def test_no_path_leaves_the_root(self):
        for path in self.ESCAPES:
            for op, more in (("read", {}), ("checksum", {}), ("append", {"content": "x"})):
                with self.subTest(op=op, path=path):
                    job = self.refused(op, path=path, **more)
                    self.assertNotIn("result", {name for name, value in job.items() if value is not None})

    def test_nothing_is_written_or_deleted_outside(self):
        for path in ("../outside/new", "link/new", "/tmp/taskq-escape", "x/../../outside/new", ""):
            for op, more in (("write", {"content": "x"}), ("mkdir", {}), ("write", {"content": "x", "parents": True}), ("mkdir", {"parents": True})):
                with self.subTest(op=op, path=path):
                    self.refused(op, path=path, **more)
        for path in ("../outside/secret", "link/secret", "..", "/"):
            self.refused("delete", path=path)
        for op in ("copy", "move"):
            for payload in ({"path": "mine", "to": "../outside/new"}, {"path": "mine", "to": "link/new"}, {"path": "../outside/secret", "to": "new"},
                            {"path": "link/secret", "to": "new"}, {"path": "mine", "to": "/tmp/taskq-escape"}, {"path": "mine", "to": ""}):
                with self.subTest(op=op, payload=payload):
                    self.refused(op, **payload)
        self.assertEqual((self.root / "mine").read_text(), "mine")
        self.assertFalse((self.root / "new").exists())

    def test_the_list_and_stat_of_the_outside_are_refused(self):
        for path in ("..", "link/", "/", "../outside", "link/secret"):
            for op in ("list", "stat"):
                with self.subTest(op=op, path=path):
                    self.refused(op, path=path)

    def test_a_bad_payload_fails_for_good(self):
        for payload in ({}, {"op": "explode", "path": "a"}, {"op": "read"}, {"op": "read", "path": 5}, {"op": "write", "path": "a"},
                        {"op": "write", "path": "a", "content": 5}, {"op": "write", "path": "a", "content": "x", "encoding": "rot13"}, {"op": "copy", "path": "mine"},
                        {"op": "read", "path": "mine", "colour": 1}, [], "x"):
            with self.subTest(payload=payload):
                job = self.wait_for(self.enqueue(type="file", payload=payload, backoff={"base_ms": 0}))
                self.assertEqual((job["state"], job["attempt"]), ("failed", 1), job)

    def test_a_fifo_is_no_file_and_holds_nobody_up(self):
        os.mkfifo(self.root / "fifo")
        for op in ("read", "checksum"):
            self.assertEqual(self.run_job(op, path="fifo")["state"], "failed")


if __name__ == "__main__":
    unittest.main()
