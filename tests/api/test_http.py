# SPDX-License-Identifier: MIT
"""The rules of HTTP that hold for every path: methods, content types, hosts, origins, limits."""
import json
import unittest

from harness import ServerCase, connect_raw

ROUTES = {
    "/jobs": {"GET", "POST"}, "/jobs/1": {"GET", "DELETE"}, "/next-job": {"GET", "POST"}, "/jobs/1/complete": {"POST"},
    "/jobs/complete": {"POST"}, "/jobs/1/heartbeat": {"POST"}, "/jobs/heartbeat": {"POST"}, "/jobs/1/release": {"POST"},
    "/jobs/1/cancel": {"POST"}, "/jobs/1/retry": {"POST"}, "/jobs/bulk": {"POST"}, "/queues": {"GET"},
    "/queues/q": {"GET", "PATCH"}, "/stats": {"GET"}, "/livez": {"GET"}, "/readyz": {"GET"},
}
NOT_YET = ["/batches/b", "/schedules", "/schedules/s", "/schedules/s/run", "/workers", "/workers/w", "/events", "/metrics",
           "/"]


class Routes(ServerCase):
    def test_a_method_that_a_path_does_not_have_is_405_and_says_which_it_has(self):
        for path, methods in ROUTES.items():
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                if method in methods:
                    continue
                with self.subTest(method=method, path=path):
                    reply = self.refused(405, "method-not-allowed", method, path)
                    allowed = {word.strip() for word in reply.headers["Allow"].split(",")} - {"HEAD"}
                    self.assertEqual(allowed, methods)

    def test_a_wrong_path_is_not_found_with_any_method(self):
        for path in ("/nope", "/jobs/", "/jobs//", "/job", "/jobs/1/nope", "/jobs/1/complete/", "/jobs/1/complete/x", "/next-job/", "/next-jobx",
                     "/NEXT-JOB", "/Jobs", "/queues/", "/queues/a/b/c", "/livez/", "/index.html", "/favicon.ico", "/.git/config",
                     "/jobs/1/Cancel", "/jobs;x=1", "/" + "x" * 2000):
            for method in ("GET", "POST", "DELETE"):
                with self.subTest(method=method, path=path[:40]):
                    self.refused(404, "not-found", method, path)

    def test_what_is_not_built_is_not_found(self):
        for path in NOT_YET:
            for method in ("GET", "PUT", "POST", "PATCH", "DELETE"):
                with self.subTest(method=method, path=path):
                    self.refused(404, "not-found", method, path)

    def test_limits_of_a_queue_are_never_silently_dropped(self):
        for body in ({"max_running": 5}, {"max_running_per_key": 1}, {"rate_limit": {"count": 1, "per_ms": 1000}},
                     {"paused": True, "max_running": None}):
            reply = self.api.call("PATCH", f"/queues/{self.queue}", body)
            self.assertIn(reply.status, (404, 422), reply)

    def test_fields_of_later_features_are_never_silently_dropped(self):
        for fields in ({"depends_on": [1]}, {"concurrency_key": "k"}):
            reply = self.api.call("POST", "/jobs", {"type": "t", "queue": self.queue, **fields})
            self.assertEqual(reply.status, 422, reply)

    def test_head_is_get_without_a_body(self):
        made = self.enqueue()
        for path in ("/jobs", f"/jobs/{made['id']}", "/queues", "/stats"):
            with self.subTest(path=path):
                self.assertEqual(self.api.send("HEAD", path).status, 200)
        for path in ("/jobs/999999999", "/nope"):
            self.assertEqual(self.api.send("HEAD", path).status, 404)
        # The connection is still in step.
        self.assertEqual(self.api.job(made["id"])["id"], made["id"])

    def test_every_answer_carries_a_request_id(self):
        seen = set()
        for path in ("/jobs", "/nope", "/livez", "/jobs?limit=0"):
            reply = self.api.get(path)
            seen.add(reply.headers["X-Request-Id"])
        self.assertEqual(len(seen), 4)
        self.assertNotIn(None, seen)


class ContentTypes(ServerCase):
    def post(self, content_type, body=None, path="/jobs", method="POST"):
        text = json.dumps({"type": "t", "queue": self.queue}).encode() if body is None else body
        return self.api.send(method, path, text, {"Content-Type": content_type})

    def test_json_with_any_parameters_in_any_case_is_taken(self):
        for value in ("application/json", "application/json; charset=utf-8", "Application/JSON", "application/json;x=y",
                      "application/json ; charset=utf-8"):
            with self.subTest(value=value):
                self.assertEqual(self.post(value).status, 201)

    def test_any_other_is_415_and_changes_nothing(self):
        for value in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "application/json2; x",
                      "application", "", "application/problem+json", "text/json", "*/*", None):
            with self.subTest(value=value):
                reply = self.post(value)
                self.assertEqual((reply.status, reply.slug), (415, "unsupported-media-type"), reply)
        self.assertEqual(self.api.jobs(queue=self.queue), [])

    def test_it_holds_for_every_request_with_a_body(self):
        job = self.started()
        for method, path, body in (("POST", f"/jobs/{job['id']}/complete", b'{"version": 2, "status": "succeeded"}'),
                                   ("POST", f"/jobs/{job['id']}/heartbeat", b'{"version": 2}'), ("POST", f"/jobs/{job['id']}/release", b'{"version": 2}'),
                                   ("POST", f"/jobs/{job['id']}/cancel", b"{}"), ("POST", "/jobs/complete", b'{"completions": []}'),
                                   ("POST", "/next-job", b"{}"), ("PATCH", f"/queues/{self.queue}", b'{"paused": true}')):
            with self.subTest(path=path):
                self.assertEqual(self.post("text/plain", body, path, method).slug, "unsupported-media-type")
        self.assertEqual(self.api.job(job["id"])["version"], 2)
        self.assertFalse(self.api.job(job["id"])["cancel_requested"])


class NoWebPage(ServerCase):
    """Without tokens, a web page must not be able to drive the API."""

    def ask(self, method="GET", path="/jobs", **headers):
        return self.api.call(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def test_a_foreign_host_is_misdirected(self):
        for host in ("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "128.0.0.1", "10.0.0.1", "[::2]",
                     "[::ffff:8.8.8.8]", "localhost@evil.example", "0.0.0.0", "127.0.0.1:x", "127.1.evil"):
            with self.subTest(host=host):
                reply = self.ask(Host=host)
                self.assertIn((reply.status, reply.slug), ((421, "misdirected"), (400, "bad-request")), reply)
                if host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]"):
                    self.assertEqual(reply.status, 421)

    def test_a_host_of_this_machine_is_good(self):
        for host in ("localhost", "localhost:1", "LOCALHOST", "127.0.0.1", "127.9.8.7:99", "[::1]", "[::1]:80"):
            with self.subTest(host=host):
                self.assertEqual(self.ask(Host=host).status, 200)

    def test_a_foreign_origin_is_forbidden_for_every_method(self):
        made = self.enqueue()
        for origin in ("http://evil.example", "https://evil.example", "null", "http://127.0.0.1.evil.example", "file://"):
            for method, path in (("GET", "/jobs"), ("GET", f"/next-job?queue={self.queue}"), ("POST", f"/jobs/{made['id']}/cancel"),
                                 ("DELETE", f"/jobs/{made['id']}")):
                with self.subTest(origin=origin, method=method, path=path):
                    reply = self.ask(method, path, Origin=origin)
                    self.assertEqual((reply.status, reply.slug), (403, "forbidden"), reply)
        self.assertEqual(self.api.job(made["id"])["version"], 1)

    def test_the_own_origin_is_good(self):
        self.assertEqual(self.ask(Origin=self.server.url).status, 200)

    def test_a_fetch_from_another_site_is_forbidden(self):
        for site in ("cross-site", "same-site", "nonsense"):
            with self.subTest(site=site):
                self.assertEqual(self.ask(Sec_Fetch_Site=site).slug, "forbidden")
        for site in ("same-origin", "none"):
            self.assertEqual(self.ask(Sec_Fetch_Site=site).status, 200)

    def test_a_preflight_is_not_answered_with_leave(self):
        for path in ("/jobs", "/next-job", "/nope", "/jobs/1"):
            reply = self.api.call("OPTIONS", path, headers={"Access-Control-Request-Method": "POST",
                                                           "Access-Control-Request-Headers": "content-type"})
            self.assertIn(reply.status, (404, 405), reply)
            self.assertEqual([name for name in reply.headers if name.lower().startswith("access-control")], [])


class Insecure(ServerCase):
    server_arguments = ("--insecure",)

    def test_it_takes_any_host_but_no_foreign_origin(self):
        self.assertEqual(self.api.call("GET", "/jobs", headers={"Host": "evil.example"}).status, 200)
        self.assertEqual(self.api.call("GET", "/jobs", headers={"Origin": "http://evil.example"}).status, 403)


class Bodies(ServerCase):
    server_arguments = ("--max-body", "4KiB")

    def body_of(self, size):
        head, tail = f'{{"type": "t", "queue": "{self.queue}", "payload": "', '"}'
        return (head + "x" * (size - len(head) - len(tail)) + tail).encode()

    def test_the_limit_itself_is_good_and_one_byte_more_is_not(self):
        self.assertEqual(self.api.send("POST", "/jobs", self.body_of(4096)).status, 201)
        reply = self.api.send("POST", "/jobs", self.body_of(4097))
        self.assertEqual((reply.status, reply.slug), (413, "too-large"))
        self.assertEqual(len(self.api.jobs(queue=self.queue)), 1)

    def test_a_body_announced_too_large_is_refused_before_it_comes(self):
        for size in ("1000000", "99999999999", "9223372036854775807", "99999999999999999999"):
            with self.subTest(size=size):
                sock = self.raw()
                sock.request("POST /jobs HTTP/1.1", "Content-Type: application/json", f"Content-Length: {size}")
                reply = sock.read_reply()
                self.assertIn((reply.status, reply.slug), ((413, "too-large"), (400, "bad-request")), reply)
                self.assertTrue(sock.is_closed_by_peer())


class TheLimitByDefault(ServerCase):
    def test_a_mebibyte_and_a_byte_is_too_large(self):
        reply = self.api.send("POST", "/jobs", b'{"type": "t", "payload": "' + b"x" * 1024 * 1024 + b'"}')
        self.assertEqual((reply.status, reply.slug), (413, "too-large"))
        self.assertEqual(self.api.expect(200, "GET", "/livez").status, 200)


class TwoListeners(ServerCase):
    server_arguments = ("--listen", "[::1]:0")

    def test_each_serves_the_same_store(self):
        self.assertEqual(len(self.server.urls), 2)
        made = self.enqueue()
        sock = connect_raw(self.server.urls[1])
        self.addCleanup(sock.close)
        sock.request(f"GET /jobs/{made['id']} HTTP/1.1")
        self.assertEqual(sock.read_reply().json["id"], made["id"])


if __name__ == "__main__":
    unittest.main()
