#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Requests drawn from the document, good and broken, against a real server: every answer must be one that the document allows, none a
500, a good request is not refused as bad, and a broken one is.

    property.py [--seconds 3600] [--seed N] [--url http://127.0.0.1:7070]      for hours; TASKQ_SERVER names the server to start otherwise
"""
import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import sys
import time
import urllib.parse

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "support")]

from draw import Draw  # noqa: E402
from schema import answer_faults, operations  # noqa: E402

ANSWER_SECONDS = 60
BAD = (400, 404, 405, 413, 415, 422)
PLAIN_REFUSALS = (400, 413, 415, 422)


class Finding(AssertionError):
    pass


class Tester:
    def __init__(self, document, url, seed):
        self.document, self.seed = document, seed
        self.random = random.Random(seed)
        self.draw = Draw(document, self.random)
        self.operations = [(method, path, {**operation, "path": path}) for method, path, operation in operations(document)]
        # The files are big and always the same: now and then will do.
        self.weights = [0.05 if operation["tags"] == ["server"] else 1 for _, _, operation in self.operations]
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=ANSWER_SECONDS)
        self.statuses = collections.Counter()
        self.count = 0

    def send(self, request):
        for fresh in (False, True):
            try:
                self.connection.putrequest(request.method, request.target, skip_accept_encoding=True)
                for name, value in request.headers.items():
                    self.connection.putheader(name, value)
                if request.body is not None:
                    self.connection.putheader("Content-Length", str(len(request.body)))
                self.connection.endheaders(request.body)
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (ConnectionError, http.client.RemoteDisconnected):
                # The server may have closed the connection after a refusal; a new one must serve.
                self.connection.close()
                if fresh:
                    raise Finding("the connection broke twice") from None

    def step(self):
        method, path, operation = self.random.choices(self.operations, self.weights)[0]
        request = self.draw.request(method, path, operation)
        self.count += 1
        try:
            self.judge(request, operation, *self.send(request))
        except (Finding, OSError, http.client.HTTPException) as error:
            raise Finding(f"{error!r}\nseed {self.seed}, request {self.count}: {request}") from error

    def judge(self, request, operation, status, headers, body):
        self.statuses[f"{operation['operationId']} {status}"] += 1
        kind = headers.get("Content-Type")
        value = None if not body else json.loads(body) if kind and "json" in kind else body.decode()
        if getattr(request, "outside", False):
            # A path that is none of the document's: an id that is no number, or another path altogether.
            if status not in BAD:
                raise Finding(f"{status} for a path that is not described")
            return
        wrong = list(answer_faults(self.document, operation, status, kind, value))
        if wrong:
            raise Finding(f"{status}: {wrong[:5]}: {body[:1000]!r}")
        if status >= 500:
            raise Finding(f"{status}: {body[:1000]!r}")
        if request.good and status in PLAIN_REFUSALS and not ("Idempotency-Key" in request.headers and status == 422):
            raise Finding(f"a good request was refused with {status}: {body[:1000]!r}")
        # In a list each element stands alone: the refusal is found there.
        refused = status >= 400 or isinstance(value, dict) and any(one.get("status") == 422 for one in value.get("results", []))
        if request.good is False and not refused:
            raise Finding(f"a bad request was taken with {status}: {body[:1000]!r}")
        if status < 300 and isinstance(value, dict):
            self.draw.seen(value)

    def run(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.step()
        return self.count


def main():
    parser = argparse.ArgumentParser(prog="property.py")
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--url")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}", flush=True)
    from harness import Server
    server = None if arguments.url else Server().start()
    try:
        url = arguments.url or server.url
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port)
        connection.request("GET", "/openapi.json")
        tester = Tester(json.load(connection.getresponse()), url, seed)
        print(f"{tester.run(arguments.seconds)} requests")
        for name, count in sorted(tester.statuses.items()):
            print(f"{count:8} {name}")
    finally:
        if server:
            server.finish()


if __name__ == "__main__":
    main()
