# SPDX-License-Identifier: MIT
"""A local HTTP service for http jobs to call: it answers as its path says, and remembers every call.

/hold/X      answers once let_go() lets it            /status/N       N, with a body
/flaky/N/X   503 the first N times, then 200          /redirect?URL   302 to URL
/later/N/S   N with Retry-After: S once, then 200     /loop           302 to itself
/bytes       what is no UTF-8                         /big/N          N bytes
/cut         closes without an answer                 anything else   200 and what was asked, as JSON
"""
import collections
import http.server
import json
import threading

HOLD_SECONDS = 120


class Call:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True
    service = None

    def handle_error(self, request, client_address):
        """A client that hung up is nothing to print about."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        service = self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(self.command, self.path, dict(self.headers.items()), body)
        seen = service.begin(call)
        try:
            kind, _, rest = self.path.lstrip("/").partition("/")
            if kind == "hold":
                service.hold()
                self.answer(200, b"held")
            elif kind == "flaky":
                self.answer(503 if seen <= int(rest.split("/")[0]) else 200, b"flaky")
            elif kind == "later":
                status, seconds = rest.split("/")
                self.answer(int(status) if seen == 1 else 200, b"later", Retry_After=seconds)
            elif kind == "status":
                self.answer(int(rest), b"" if rest == "204" else b"as asked")
            elif self.path.startswith("/redirect?"):
                self.answer(302, Location=self.path.partition("?")[2])
            elif kind == "loop":
                self.answer(302, Location="/loop")
            elif kind == "bytes":
                self.answer(200, b"\xff\x00\xfe")
            elif kind == "big":
                self.answer(200, b"b" * int(rest))
            elif kind == "cut":
                self.close_connection = True
            else:
                told = {"method": call.method, "path": call.path, "headers": call.headers, "body": body.decode("latin-1")}
                self.answer(200, json.dumps(told).encode(), Content_Type="application/json", X_Kind="echo")
        finally:
            service.end()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any


class Service:
    def __init__(self):
        self.lock = threading.Condition()
        self.calls = []
        self.seen = collections.Counter()
        self.running = self.most = self.started = self.passes = 0
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.service = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.let_go(1000000)
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def begin(self, call):
        with self.lock:
            self.calls.append(call)
            self.seen[call.path] += 1
            self.started += 1
            self.running += 1
            self.most = max(self.most, self.running)
            return self.seen[call.path]

    def end(self):
        with self.lock:
            self.running -= 1

    def hold(self):
        with self.lock:
            if self.lock.wait_for(lambda: self.passes > 0, HOLD_SECONDS):
                self.passes -= 1

    def let_go(self, count=1):
        with self.lock:
            self.passes += count
            self.lock.notify_all()

    def calls_of(self, path):
        with self.lock:
            return [call for call in self.calls if call.path == path]
