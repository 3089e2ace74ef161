# SPDX-License-Identifier: MIT
"""The history: one JSON object a line, one line a request, written when its answer is there or given up.

    n       number of the request              do      what it was: enqueue, claim, report, beat, release, cancel, retry, get, list,
    server  who was asked                              final, counts
    t0, t1  CLOCK_MONOTONIC around it           ask     what was asked, in the checker's words
    status  of the answer, or null              answer  what matters of it
    outcome ok: it was done. refused: it was not. unknown: it may have been done, and may yet be.
    group   the same for all repetitions of one request, bytes and all

The first line says at which wall time the monotonic clock was zero.
"""
import http.client
import json
import threading
import time
import urllib.parse

IN_DOUBT = "it may have happened"
KEPT = ("id", "queue", "type", "state", "version", "attempt", "max_attempts", "worker", "cancel_requested", "existing", "unique_key",
        "lease_ms", "timeout_ms", "run_at", "created_at", "finished_at", "result", "error", "payload", "attempts")


def brief(job):
    return {name: job[name] for name in KEPT if job.get(name) is not None}


def outcome_of(status, problem):
    """A 503 that does not say that it may have happened says that it has not; what stands between may know nothing at all."""
    if 200 <= status < 300:
        return "ok"
    if problem is None:
        return "unknown"
    if 400 <= status < 500:
        return "refused"
    return "refused" if status == 503 and IN_DOUBT not in problem else "unknown"


class Book:
    """The file. Safe for many threads."""

    def __init__(self, path, append=False):
        self.file = open(path, "a" if append else "w", encoding="utf-8")  # pylint: disable=consider-using-with
        self.lock, self.lines = threading.Lock(), 0
        self.write({"do": "begin", "wall_zero": time.time() - time.monotonic()})

    def write(self, entry):
        line = json.dumps(entry, separators=(",", ":")) + "\n"
        with self.lock:
            self.lines += 1
            self.file.write(line)

    def close(self):
        self.file.close()


class Asker:
    """One connection at a time to one of the servers; the next one is tried only where a request has not left."""

    def __init__(self, urls, book, number, timeout):
        self.urls, self.book, self.number, self.timeout = list(urls), book, number, timeout
        self.at, self.connection = number % len(urls), None
        self.lines, self.failed = 0, 0

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def turn(self):
        """To the next server."""
        self.close()
        self.at = (self.at + 1) % len(self.urls)

    def _connect(self):
        for _ in range(len(self.urls)):
            if self.connection:
                return True
            parts = urllib.parse.urlsplit(self.urls[self.at])
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout)
            try:
                connection.connect()
                self.connection = connection
            except OSError:
                self.turn()
        return self.connection is not None

    def _exchange(self, method, path, body, headers):
        try:
            self.connection.request(method, path, body=body, headers=headers)
            answer = self.connection.getresponse()
            status, data = answer.status, answer.read()
            if answer.will_close:
                self.close()
            return status, data, answer.getheader("Content-Type") or ""
        except (OSError, http.client.HTTPException):
            self.turn()
            return None, b"", ""

    def ask(self, what, asked, method, path, value=None, headers=None, group=None, digest=None):
        """Asks, writes down, and returns (outcome, answer as JSON or None). None, None: no server was there, nothing was asked."""
        if not self._connect():
            return None, None
        self.lines += 1
        entry = {"n": self.number * 10000000 + self.lines, "do": what, "server": self.urls[self.at], "ask": asked}
        if group:
            entry["group"] = group
        body = None if value is None else json.dumps(value).encode()
        sent = {"Content-Type": "application/json"} if body is not None else {}
        entry["t0"] = time.monotonic()
        status, data, kind = self._exchange(method, path, body, {**sent, **(headers or {})})
        entry["t1"] = time.monotonic()
        answer = None
        if data and kind.startswith(("application/json", "application/problem+json")):
            answer = json.loads(data)
        problem = answer.get("detail") or "" if status and status >= 400 and answer and "type" in answer else None
        entry["status"] = status
        entry["outcome"] = "unknown" if status is None else outcome_of(status, problem)
        if entry["outcome"] != "ok":
            self.failed += entry["status"] is None or entry["status"] >= 500
            entry["why"] = problem
        entry["answer"] = digest(answer) if digest and entry["outcome"] == "ok" and answer is not None else None
        self.book.write(entry)
        if status and status >= 500:
            self.turn()
        return entry["outcome"], answer
