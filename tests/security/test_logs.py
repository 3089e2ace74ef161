# SPDX-License-Identifier: MIT
"""What stands in the logs, and what must not: payloads, results and secrets never do, and nobody can write a line of their own."""
import json
import os
import re
import unittest

from harness import FreshServerCase, Worker, fresh_folder
from tokens import Tokens
from waiting import wait_until

FORGED = 'x\r\n{"ts":"2026-01-01T00:00:00.000Z","level":"error","msg":"FORGED"}\n2026-01-01T00:00:00.000Z error FORGED\x1b[2J\x85\u2028FORGED'
MARK = "payload-that-nobody-logs"


class LogCase(FreshServerCase):
    log_format = "json"

    def setUp(self):
        super().setUp()
        self.folder = fresh_folder()
        tokens = Tokens(self.folder)
        self.secrets = {role: tokens.create(role) for role in ("admin", "worker", "viewer")}
        self.server = self.fresh_server("--tokens", tokens.path, "--log-format", self.log_format)
        self.api = self.server.client()
        self.addCleanup(self.api.close)
        self.api.token = self.secrets["admin"]

    def worker(self, *arguments):
        worker = Worker(self.folder, "--queue", self.queue, "--log-format", self.log_format, *arguments, server=self.server.url,
                        env={"TASKQ_TOKEN": self.secrets["worker"]})
        self.addCleanup(worker.kill)
        wait_until(lambda: "asking" in worker.log(), what="the worker's first line")
        return worker

    def run_jobs(self):
        """Jobs that succeed, fail and are refused, all with something in them that is nobody's business."""
        payloads = [("sleep", {"duration_ms": 1}), ("sleep", {"duration_ms": MARK}), ("http", {"url": f"http://user:{MARK}@127.0.0.1:1/", "body": MARK}),
                    ("http", {"url": "http://127.0.0.1:1/", "headers": {"Authorization": MARK}}), ("file", {"op": "write", "path": "a", "content": MARK}),
                    ("file", {"op": "read", "path": "a", "content": MARK, FORGED: MARK}), ("nobody", {"x": MARK})]
        made = self.api.enqueue_many([{"type": kind, "queue": self.queue, "payload": payload, "max_attempts": 1} for kind, payload in payloads])
        wait_until(lambda: all(self.api.job(job["id"])["state"] in ("succeeded", "failed") for job in made[:-1]), what="the end of the jobs")

    def attack(self):
        """Every text of a request that could find its way into a log."""
        import http.client
        import urllib.parse
        quoted = urllib.parse.quote(FORGED)
        for method, path, body, headers in (
                ("GET", f"/nope/{quoted}", None, {}), ("GET", f"/jobs?q={quoted}", None, {}), ("GET", f"/next-job?queue=a&worker={quoted}&wait=0", None, {}),
                ("GET", "/livez", None, {"X-Request-Id": "a\tFORGED \x1b[2J"}), ("GET", "/jobs", None, {"User-Agent": "FORGED\x1b[2J", "X-Forwarded-For": "FORGED"}),
                ("POST", "/jobs", {"type": FORGED}, {}), ("POST", "/jobs", {"type": "t", "queue": FORGED}, {}), ("POST", "/jobs", {FORGED: 1}, {}),
                ("POST", "/jobs", {"type": "t", "queue": self.queue, "tags": [FORGED], "payload": FORGED}, {}), ("GET", f"/queues/{quoted}", None, {}),
                ("GET", "/jobs", None, {"Authorization": "Bearer FORGED\x1b[2J"})):
            try:
                self.api.call(method, path, body, headers)
            except (OSError, http.client.HTTPException, ValueError):
                self.api.close()


class Logs(LogCase):
    def test_payloads_results_and_secrets_never_stand_in_a_log(self):
        worker = self.worker("--file-root", self.folder, "--http-allow-private")
        self.run_jobs()
        worker.stop()
        for log in (self.server.program.log(), worker.log()):
            self.assertTrue(log.strip())
            self.assertNotIn(MARK, log)
            for secret in self.secrets.values():
                self.assertNotIn(secret, log)

    def test_a_secret_stands_neither_on_a_command_line_nor_in_the_store(self):
        worker = self.worker()
        for pid in (worker.program.pid, self.server.program.pid):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
            for secret in self.secrets.values():
                self.assertNotIn(secret.encode(), line)
        self.api.expect(200, "GET", "/jobs")
        worker.stop()
        self.server.stop()
        for path in self.server.folder.iterdir():
            data = path.read_bytes() if path.is_file() else b""
            for secret in self.secrets.values():
                self.assertNotIn(secret.encode(), data, path)

    def test_a_request_that_cannot_be_parsed_tells_the_log_nothing(self):
        """Neither alone nor behind another on its connection, whose places in memory it takes."""
        lines = [f"Authorization: Bearer {self.secrets['admin']}", f"X-Other: {MARK}"]
        for broken in ("X-A: \x1b", "X-A : b", "X-A: b\r\n folded", "X\0: b", "no header", "X-A: " + "x" * 30000):
            for first in ("GET /livez HTTP/1.1", "GET /a-longer-path-than-that?and=a&query=too HTTP/1.1", None):
                sock = self.server.raw()
                self.addCleanup(sock.close)
                if first:
                    sock.request(first, *lines)
                    self.assertIsNotNone(sock.read_reply())
                sock.request("GET /livez HTTP/1.1", *lines, broken)
                self.assertIn(sock.read_reply().status, (400, 431))
        self.server.stop()
        log = self.server.program.log()
        self.assertGreaterEqual(log.count('"status":4'), 18)
        self.assertNotIn(MARK, log)
        for secret in self.secrets.values():
            self.assertNotIn(secret, log)

    def test_nobody_forges_a_line(self):
        self.attack()
        self.server.stop()
        self.assertIn("FORGED", self.server.program.log())  # it was tried
        for line in self.server.program.log().splitlines():
            event = json.loads(line)
            self.assertNotEqual(event.get("msg"), "FORGED", line)
            self.assertNotRegex(line, "[\x00-\x1f\x7f\x85\u2028]")


class TextLogs(LogCase):
    log_format = "text"

    def test_nobody_forges_a_line_of_text(self):
        self.attack()
        self.server.stop()
        for line in self.server.program.log().split("\n"):
            self.assertRegex(line, r"^$|^\d{4}-\d{2}-\d{2}T\S+ ")
            self.assertNotRegex(line, r"^\S+ +error +FORGED")
            self.assertNotRegex(line, "[\x00-\x1f\x7f\x85\u2028]")


if __name__ == "__main__":
    unittest.main()
