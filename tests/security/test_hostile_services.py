# SPDX-License-Identifier: MIT
"""Services that an http job calls and that mean no good: answers that never end, trickle, or are more than they seem."""
import gzip
import itertools
import time
import unittest

import netspace
from workcase import WorkCase

PLAIN = b"HTTP/1.1 200 OK\r\n"
MEMORY_KIB_MAX = 128 << 10


def slowly(piece):
    while True:
        yield piece
        time.sleep(0.05)


def answers(path):
    """What the service does for each path; anything iterable is sent piece by piece, without an end where it has none."""
    bomb = gzip.compress(b"\0" * (64 << 20))
    return {
        "/endless-body": itertools.chain([PLAIN + b"\r\n"], itertools.repeat(b"x" * 65536)),
        "/endless-chunks": itertools.chain([PLAIN + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n")),
        "/endless-trailers": itertools.chain([PLAIN + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"], itertools.repeat(b"X-A: " + b"x" * 4096 + b"\r\n")),
        "/endless-headers": itertools.chain([PLAIN], itertools.repeat(b"X-A: " + b"x" * 4096 + b"\r\n")),
        "/endless-header": itertools.chain([PLAIN + b"X-A: "], itertools.repeat(b"x" * 65536)),
        "/endless-continue": itertools.repeat(b"HTTP/1.1 100 Continue\r\nX-A: " + b"x" * 1024 + b"\r\n\r\n"),
        "/trickled-body": itertools.chain([PLAIN + b"Content-Length: 1000000\r\n\r\n"], slowly(b"x")),
        "/trickled-header": itertools.chain([PLAIN + b"X-A: "], slowly(b"x")),
        "/huge-length": [PLAIN + b"Content-Length: 9223372036854775807\r\n\r\n" + b"x" * 100000],
        "/silence": slowly(b""),
        "/bomb": [PLAIN + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb],
        "/packed": [PLAIN + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"hello")],
        "/no-http": itertools.repeat(b"\0\xff" * 4096),
    }[path]


class HostileServices(WorkCase):
    def setUp(self):
        super().setUp()
        self.listener = netspace.Listener(0, lambda _, request: answers(request.split(b" ")[1].decode()))
        self.addCleanup(self.listener.close)
        self.process = self.worker()

    def run_job(self, path, **payload):
        url = f"http://127.0.0.1:{self.listener.port}{path}"
        return self.wait_for(self.http_job(url, {"max_attempts": 1}, timeout_ms=2000, **payload))

    def memory_kib(self):
        with open(f"/proc/{self.process.program.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))

    def test_what_never_ends_is_cut_where_the_bound_is(self):
        for path in ("/endless-body", "/endless-chunks", "/huge-length"):
            with self.subTest(path=path):
                result = self.run_job(path)["result"]
                self.assertEqual((len(result["body"]), result["truncated"]), (65536, True))

    def test_headers_without_end_take_no_memory(self):
        before = self.memory_kib()
        for path in ("/endless-headers", "/endless-header", "/endless-continue", "/endless-trailers", "/no-http"):
            with self.subTest(path=path):
                self.assertEqual(self.run_job(path)["state"], "failed")
        self.assertLess(self.memory_kib() - before, MEMORY_KIB_MAX)

    def test_what_trickles_or_is_silent_ends_at_the_time_out(self):
        jobs = [self.http_job(f"http://127.0.0.1:{self.listener.port}{path}", {"max_attempts": 1}, timeout_ms=1000)
                for path in ("/trickled-body", "/trickled-header", "/silence")]
        for job in jobs:
            self.assertEqual(self.wait_for(job)["error"]["code"], "http-timeout")

    def test_what_comes_packed_is_not_unpacked(self):
        before = self.memory_kib()
        for path in ("/bomb", "/packed"):
            result = self.run_job(path, headers={"Accept-Encoding": "gzip"})["result"]
            self.assertEqual(result["encoding"], "base64")
            self.assertTrue(result["body"].startswith("H4sI"))
        self.assertLess(self.memory_kib() - before, MEMORY_KIB_MAX)


if __name__ == "__main__":
    unittest.main()
