# SPDX-License-Identifier: MIT
"""What the demo is made of: our programs as processes, the API over HTTP, and a small service for `http` jobs to call."""
import http.client
import http.server
import json
import os
import re
import subprocess
import threading

# A TASKQ_... variable of whoever runs the demo would be an option of our programs.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("TASKQ_")}


class DemoFailed(Exception):
    pass


class Process:
    """One of our programs, its log in a file."""

    def __init__(self, name, log, command, environment=None):
        self.name, self.log = name, log
        with open(log, "wb") as errors:
            self.process = subprocess.Popen([str(word) for word in command], env=environment or ENVIRONMENT,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)

    @property
    def pid(self):
        return self.process.pid

    def first_line(self, pattern):
        """What it says once it serves."""
        said = self.process.stdout.readline()
        match = re.match(pattern, said)
        if match is None:
            raise DemoFailed(f"{self.name} did not start: {said.strip() or 'it said nothing'}")
        return match.group(1)

    def has_ended(self):
        return self.process.poll() is not None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """SIGTERM and its exit code; None where it had to be killed."""
        if not self.has_ended():
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
                return None
        self.process.stdout.close()
        return self.process.returncode

    def tail(self, lines=15):
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


class Api:
    def __init__(self, url):
        self.url = url
        self.address = re.match(r"http://([^/]+)", url).group(1)

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address, timeout=20)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise DemoFailed(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text) if text else None

    def enqueue(self, jobs):
        return [job["id"] for job in self.call("POST", "/jobs", {"jobs": jobs})["jobs"]]

    def job(self, number):
        return self.call("GET", f"/jobs/{number}")

    def states(self, batch):
        """The state of every job of a batch, by id."""
        found, cursor = {}, ""
        while True:
            page = self.call("GET", f"/jobs?batch={batch}&limit=1000{cursor}")
            found.update((job["id"], job["state"]) for job in page["jobs"])
            if not page.get("next_cursor"):
                return found
            cursor = f"&cursor={page['next_cursor']}"


class Service:
    """What the `http` jobs call. /report/N answers; /flaky answers 503 twice and then 200; anything else is 404."""

    def __init__(self):
        self.seen = {}  # path -> [(Idempotency-Key, Taskq-Attempt)]
        self.lock = threading.Lock()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, answer = service.answer(self.path, self.headers)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path, headers):
        with self.lock:
            calls = self.seen.setdefault(path, [])
            calls.append((headers.get("Idempotency-Key"), headers.get("Taskq-Attempt")))
            if path == "/flaky" and len(calls) <= 2:
                return 503, {"trouble": f"call {len(calls)}"}
        if path == "/flaky" or path.startswith("/report/"):
            return 200, {"path": path, "total": len(path) * 7}
        return 404, {"path": path}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
