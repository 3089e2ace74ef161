# SPDX-License-Identifier: MIT
"""The http handler: what it sends, what it makes of answers, what it refuses."""
import base64
import json
import unittest

from harness import Worker
from shape import milliseconds
from workcase import WorkCase

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class HttpCase(WorkCase):
    def setUp(self):
        super().setUp()
        self.worker()

    def run_job(self, path, fields=None, **payload):
        return self.wait_for(self.http_job(path, {"backoff": {"base_ms": 0}, **(fields or {})}, **payload))

    def assert_failed_for_good(self, job, *words):
        self.assertEqual((job["state"], job["attempt"]), ("failed", 1), job)
        self.assertTrue(job["error"]["code"], job)
        for word in words:
            self.assertIn(word, job["error"]["message"])


class Answers(HttpCase):
    def test_an_answer_is_the_result(self):
        job = self.run_job("/echo?a=b")
        result = job["result"]
        self.assertEqual(job["state"], "succeeded")
        self.assertEqual(set(result) - {"encoding"}, {"status", "headers", "body", "truncated", "duration_ms"})
        self.assertEqual((result["status"], result["truncated"]), (200, False))
        self.assertEqual({name.lower(): value for name, value in result["headers"].items()}["x-kind"], "echo")
        self.assertEqual(json.loads(result["body"])["path"], "/echo?a=b")
        self.assertGreaterEqual(result["duration_ms"], 0)

    def test_a_body_that_is_no_utf_8_comes_in_base64(self):
        result = self.run_job("/bytes")["result"]
        self.assertEqual((result["encoding"], base64.b64decode(result["body"])), ("base64", b"\xff\x00\xfe"))

    def test_a_long_body_is_cut_and_says_so(self):
        result = self.run_job("/big/70000")["result"]
        self.assertEqual((len(result["body"]), result["truncated"]), (65536, True))
        result = self.run_job("/big/70000", max_response_bytes=100)["result"]
        self.assertEqual((len(result["body"]), result["truncated"]), (100, True))
        result = self.run_job("/big/100", max_response_bytes=100)["result"]
        self.assertEqual((len(result["body"]), result["truncated"]), (100, False))

    def test_every_2xx_is_good(self):
        for status in (200, 201, 204, 299):
            self.assertEqual(self.run_job(f"/status/{status}")["result"]["status"], status)

    def test_a_4xx_fails_for_good(self):
        for status in (400, 401, 403, 404, 410, 422):
            with self.subTest(status=status):
                self.assert_failed_for_good(self.run_job(f"/status/{status}"), str(status))
                self.assertEqual(len(self.service.calls_of(f"/status/{status}")), 1)

    def test_5xx_and_the_4xx_that_pass_are_tried_again(self):
        for status in (500, 502, 503, 504, 408, 425, 429):
            with self.subTest(status=status):
                job = self.run_job(f"/status/{status}", {"max_attempts": 2})
                self.assertEqual((job["state"], job["attempt"]), ("failed", 2))
                self.assertEqual(len(self.service.calls_of(f"/status/{status}")), 2)

    def test_a_flaky_service_is_called_until_it_answers(self):
        job = self.run_job("/flaky/3/x")
        self.assertEqual((job["state"], job["attempt"]), ("succeeded", 4))
        self.assertEqual([one["outcome"] for one in job["attempts"]], ["failed"] * 3 + ["succeeded"])

    def test_expect_status_says_what_is_good(self):
        self.assertEqual(self.run_job("/status/404", expect_status=[404, 410])["result"]["status"], 404)
        self.assert_failed_for_good(self.run_job("/status/200", expect_status=[201]))

    def test_a_connection_cut_or_refused_is_tried_again(self):
        job = self.run_job("/cut", {"max_attempts": 2})
        self.assertEqual((job["state"], job["attempt"]), ("failed", 2))
        job = self.run_job("http://127.0.0.1:1/", {"max_attempts": 2})
        self.assertEqual((job["state"], job["attempt"]), ("failed", 2))

    def test_an_answer_that_takes_too_long_is_tried_again(self):
        job = self.run_job("/hold/x", {"max_attempts": 1}, timeout_ms=300)
        self.assertEqual(job["state"], "failed")

    def test_retry_after_is_honoured_up_to_the_backoffs_bound(self):
        for status in (429, 503):
            made = self.http_job(f"/later/{status}/3600", {"backoff": {"base_ms": 0, "max_ms": 7200000}})
            job = self.wait_for(made, "scheduled")
            waits = milliseconds(job["run_at"]) - milliseconds(job["updated_at"])
            self.assertEqual(waits, 3600000)
        made = self.http_job("/later/503/7200", {"backoff": {"base_ms": 0, "max_ms": 60000}})
        job = self.wait_for(made, "scheduled")
        self.assertEqual(milliseconds(job["run_at"]) - milliseconds(job["updated_at"]), 60000)
        self.assertEqual(self.run_job("/later/503/0")["state"], "succeeded")


class Requests(HttpCase):
    def told(self, fields=None, **payload):
        return json.loads(self.run_job("/echo", fields, **payload)["result"]["body"])

    def test_method_headers_and_body_are_sent(self):
        told = self.told(method="PUT", headers={"X-Mine": "yes", "Content-Type": "text/x"}, body="hello é")
        self.assertEqual((told["method"], told["headers"]["X-Mine"], told["headers"]["Content-Type"]), ("PUT", "yes", "text/x"))
        self.assertEqual(told["body"].encode("latin-1").decode(), "hello é")

    def test_json_is_sent_as_such(self):
        told = self.told(method="POST", body={"big": 9007199254740993, "a": [None]})
        self.assertEqual(json.loads(told["body"]), {"big": 9007199254740993, "a": [None]})
        self.assertEqual(told["headers"]["Content-Type"].split(";")[0], "application/json")

    def test_the_idempotency_key_is_the_same_for_every_attempt_and_the_attempt_is_told(self):
        job = self.run_job("/flaky/2/k")
        calls = self.service.calls_of("/flaky/2/k")
        key = f"taskq-{job['id']}-{milliseconds(job['created_at'])}"
        self.assertEqual([call.headers["Idempotency-Key"] for call in calls], [key] * 3)
        self.assertEqual([call.headers["Taskq-Attempt"] for call in calls], ["1", "2", "3"])

    def test_the_payload_may_name_another_key(self):
        told = self.told(headers={"idempotency-key": "mine"})
        self.assertEqual([value for name, value in told["headers"].items() if name.lower() == "idempotency-key"], ["mine"])

    def test_the_jobs_traceparent_is_sent(self):
        body = {"type": "http", "queue": self.queue, "payload": {"url": self.service.url + "/trace"}}
        made = self.api.expect(201, "POST", "/jobs", body, {"traceparent": TRACE}).json
        told = json.loads(self.wait_for(made)["result"]["body"])
        sent = {name.lower(): value for name, value in told["headers"].items()}["traceparent"]
        self.assertEqual(sent.split("-")[1], TRACE.split("-")[1])

    def test_redirects_are_followed_five_times_at_most(self):
        job = self.run_job(f"/redirect?{self.service.url}/echo")
        self.assertEqual((job["state"], job["result"]["status"]), ("succeeded", 200))
        self.assert_failed_for_good(self.run_job("/loop"))
        self.assertEqual(len(self.service.calls_of("/loop")), 6)

    def test_redirects_may_be_refused(self):
        job = self.run_job("/redirect?/echo", follow_redirects=False, expect_status=[302])
        self.assertEqual(job["result"]["status"], 302)
        self.assert_failed_for_good(self.run_job("/redirect?/echo", follow_redirects=False))

    def test_a_redirect_leaves_http_for_nothing_else(self):
        for target in ("file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/"):
            job = self.run_job(f"/redirect?{target}", {"max_attempts": 1})
            self.assertEqual(job["state"], "failed")
            self.assertNotIn("root:", json.dumps(job))

    def test_a_bad_payload_fails_for_good(self):
        for payload in ({}, {"url": 5}, {"url": ""}, {"url": "not a url"}, {"url": "ftp://127.0.0.1/"}, {"url": "file:///etc/passwd"}, {"url": "http://"},
                        {"url": "javascript:1"}, {"url": self.service.url, "method": 5}, {"url": self.service.url, "method": "G T"},
                        {"url": self.service.url, "headers": []}, {"url": self.service.url, "headers": {"A": 5}},
                        {"url": self.service.url, "headers": {"A": "x\r\nB: y"}}, {"url": self.service.url, "headers": {"A\r\n": "x"}},
                        {"url": self.service.url, "timeout_ms": 0}, {"url": self.service.url, "colour": 1},
                        {"url": self.service.url, "expect_status": "200"}, {"url": self.service.url, "max_response_bytes": -1}, [], "x", None):
            with self.subTest(payload=payload):
                job = self.wait_for(self.enqueue(type="http", payload=payload, backoff={"base_ms": 0}))
                self.assert_failed_for_good(job)
        self.assertEqual(self.service.started, 0)


class Policy(WorkCase):
    def setUp(self):
        super().setUp()
        worker = Worker(self.folder, "--queue", self.queue, server=self.server.url, env={"http_proxy": self.service.url})
        self.addCleanup(self.end_worker, worker)

    def test_private_addresses_are_refused_for_good_in_every_spelling(self):
        port = self.service.url.rpartition(":")[2]
        for host in ("127.0.0.1", "127.1", "0x7f000001", "2130706433", "017700000001", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0",
                     "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "[fd00:ec2::254]", "[fe80::1]", "user@127.0.0.1", "100.64.0.1"):
            with self.subTest(host=host):
                job = self.wait_for(self.http_job(f"http://{host}:{port}/secret", {"backoff": {"base_ms": 0}}))
                self.assertEqual((job["state"], job["attempt"]), ("failed", 1), job)
        self.assertEqual(self.service.started, 0)


class Sleep(HttpCase):
    def test_it_sleeps_and_tells_how_long(self):
        job = self.wait_for(self.sleep_job(50))
        self.assertEqual((job["state"], set(job["result"])), ("succeeded", {"slept_ms"}))
        self.assertGreaterEqual(job["result"]["slept_ms"], 50)

    def test_a_bad_payload_fails_for_good(self):
        for payload in ({}, {"duration_ms": "5"}, {"duration_ms": -1}, {"duration_ms": 1.5}, {"duration_ms": 5, "x": 1}, [], None, 5):
            with self.subTest(payload=payload):
                self.assert_failed_for_good(self.wait_for(self.enqueue(type="sleep", payload=payload)))


if __name__ == "__main__":
    unittest.main()
