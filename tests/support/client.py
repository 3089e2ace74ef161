# SPDX-License-Identifier: MIT
"""A client that keeps its connection and distrusts every answer: each one is checked for the form that all
answers have, so that a test says only what is special about its own."""
import http.client
import json
import select
import urllib.parse

REQUEST_SECONDS = 90
PROBLEM = "application/problem+json"
STATUS_OF_SLUG = {
    "malformed-json": 400, "bad-request": 400, "unauthorized": 401, "forbidden": 403, "not-found": 404,
    "method-not-allowed": 405, "request-timeout": 408, "conflict": 409, "stale-version": 409, "too-large": 413,
    "unsupported-media-type": 415, "misdirected": 421, "invalid": 422, "too-many-requests": 429,
    "headers-too-large": 431, "internal": 500, "unavailable": 503,
}


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def slug(self):
        return self.json["type"].rpartition(":")[2]

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


def check_form(reply, method="GET"):
    """What is true of every answer of the API."""
    kind = (reply.headers.get("Content-Type") or "").split(";")[0].strip()
    assert reply.headers.get("Access-Control-Allow-Origin") is None, f"CORS in {reply}"
    if reply.status == 204:
        assert reply.body == b"", f"204 with a body: {reply}"
    elif reply.status < 400:
        assert kind == "application/json", f"{kind} in {reply}"
        if method != "HEAD":
            assert isinstance(reply.json, dict), reply
    elif method == "HEAD":
        assert kind == PROBLEM and reply.body == b"", reply
    else:
        check_problem(reply, kind)
    return reply


def check_problem(reply, kind):
    assert kind == PROBLEM, f"{kind} in {reply}"
    problem = reply.json
    prefix, _, slug = problem["type"].rpartition(":")
    assert prefix == "urn:taskq:problem", reply
    assert STATUS_OF_SLUG.get(slug) == reply.status == problem["status"], reply
    assert isinstance(problem["title"], str) and problem["title"], reply
    assert isinstance(problem["detail"], str) and problem["detail"], reply
    if "field" in problem:
        assert isinstance(problem["field"], str) and problem["field"].startswith("/"), reply
    if reply.status == 405:
        assert reply.headers.get("Allow"), f"405 without Allow: {reply}"
    if reply.status in (429, 503):
        assert int(reply.headers.get("Retry-After") or -1) >= 0, f"no Retry-After: {reply}"


class Client:
    """One connection. Not for two threads at once."""

    def __init__(self, url, context=None, token=None, timeout=REQUEST_SECONDS):
        parts = urllib.parse.urlsplit(url)
        self.url, self.host, self.port = url, parts.hostname, parts.port
        self.context, self.token, self.timeout = context, token, timeout
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def _connect(self):
        if self.connection and self.connection.sock:
            # Readable before anything was asked: the server has closed it.
            if not select.select([self.connection.sock], [], [], 0)[0]:
                return self.connection
        self.close()
        if self.context:
            self.connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout,
                                                          context=self.context)
        else:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        return self.connection

    def send(self, method, path, body=None, headers=None):
        """Any request, as it is: body is bytes or None. Raises OSError or HTTPException where no answer comes."""
        return check_form(self._send(method, path, body, headers), method)

    def health(self, path):
        """/livez or /readyz, whose 503 is no problem but the same list of checks."""
        reply = self._send("GET", path)
        assert reply.status in (200, 503), reply
        assert (reply.json["status"] == "ok") == (reply.status == 200), reply
        return reply

    def _send(self, method, path, body=None, headers=None):
        connection = self._connect()
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read())
        except Exception:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return reply

    def call(self, method, path, value=None, headers=None):
        """A request with a JSON body made from a value (none where it is None)."""
        body = None if value is None else json.dumps(value).encode()
        return self.send(method, path, body, headers)

    def get(self, path, headers=None):
        return self.call("GET", path, headers=headers)

    def post(self, path, value=None, headers=None):
        return self.call("POST", path, value, headers)

    def expect(self, status, method, path, value=None, headers=None):
        reply = self.call(method, path, value, headers)
        if reply.status != status:
            raise AssertionError(f"{method} {path} {value if value is not None else ''}: expected {status}, got {reply}")
        return reply

    # What the tests do all the time. Each insists on its usual answer.

    def enqueue(self, **job):
        return self.expect(201, "POST", "/jobs", job).json

    def enqueue_many(self, jobs):
        return self.expect(201, "POST", "/jobs", {"jobs": jobs}).json["jobs"]

    def job(self, job_id):
        return self.expect(200, "GET", f"/jobs/{job_id}").json

    def jobs(self, **parameters):
        query = urllib.parse.urlencode(parameters)
        return self.expect(200, "GET", f"/jobs?{query}").json["jobs"]

    def all_jobs(self, **parameters):
        """Every page."""
        found = []
        while True:
            page = self.expect(200, "GET", "/jobs?" + urllib.parse.urlencode(parameters)).json
            found += page["jobs"]
            if not page.get("next_cursor"):
                return found
            parameters["cursor"] = page["next_cursor"]

    def claim(self, queue, **parameters):
        """The job claimed, or None."""
        reply = self.get("/next-job?" + urllib.parse.urlencode({"queue": queue, **parameters}))
        if reply.status not in (200, 204):
            raise AssertionError(f"claim from {queue}: {reply}")
        return reply.json if reply.status == 200 else None

    def claim_many(self, queue, limit, **parameters):
        found = self.claim(queue, limit=limit, **parameters)
        return found["jobs"] if found else []

    def succeed(self, job, **more):
        body = {"version": job["version"], "status": "succeeded", **more}
        return self.expect(200, "POST", f"/jobs/{job['id']}/complete", body).json

    def fail(self, job, **more):
        body = {"version": job["version"], "status": "failed", "error": {"code": "oops", "message": "it broke"}, **more}
        return self.expect(200, "POST", f"/jobs/{job['id']}/complete", body).json

    def cancel(self, job_id):
        return self.expect(200, "POST", f"/jobs/{job_id}/cancel").json

    def retry(self, job_id):
        return self.expect(200, "POST", f"/jobs/{job_id}/retry").json

    def queue(self, name):
        return self.expect(200, "GET", "/queues/" + urllib.parse.quote(name, safe="")).json
