# SPDX-License-Identifier: MIT
"""One walk through all of the API, good and bad, alone and in a crowd: what the sanitizer builds run."""
import http.client
import unittest

from harness import FreshServerCase, ServerCase, fresh_name
from parallel import Task, at_once
from shape import check_job
from waiting import wait_until

BAD_BODIES = [b"", b"{", b"[]", b"null", b'{"a": 1, "a": 2}', b'{"type": "\xff"}', b'{"colour": 1}', b"{}" * 3, b'{"jobs": [1]}',
              b'{"completions": [5]}', b'{"heartbeats": [{"id": "1"}]}', b'{"version": 1e400}', b'{"version": -99999999999999999999}',
              b'{"type": "' + b"x" * 100000 + b'"}', b'{"payload": ' + b"[" * 50000 + b"}"]
BAD_LINES = ["GET /jobs HTTP/9.9", "CONNECT /jobs HTTP/1.1", "GET /next-job%00 HTTP/1.1", "GET //jobs HTTP/1.1", "GET", "BREW /jobs HTTP/1.1",
             "GET /jobs?limit=%zz HTTP/1.1", "GET /jobs?" + "a=b&" * 500 + " HTTP/1.1", "GET /jobs/" + "9" * 400 + " HTTP/1.1", "\0\1\2"]
BAD_HEADERS = ["Content-Length: 5abc", "Transfer-Encoding: chunked\r\nContent-Length: 4", "X-A: b\r\n folded", "Content-Length: 18446744073709551616",
               "Expect: 100-continue\r\nContent-Length: 99999999", "Host: evil.example", "Origin: null", "X: " + "y" * 30000]


class TheWalk(ServerCase):
    server_arguments = ("--sweep-interval", "50ms", "--retention", "1s", "--log-level", "debug", "--log-format", "json")

    def test_a_job_lives_through_every_state(self):
        body = {"type": "t", "queue": self.queue, "payload": {"n": 2**70, "s": "\0"}, "tags": ["a", "b"], "batch": "b", "unique_key": "u",
                "backoff": {"base_ms": 0}, "priority": 3}
        key = {"Idempotency-Key": fresh_name("k"), "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
        made = check_job(self.api.expect(201, "POST", "/jobs", body, key).json)
        self.assertEqual(self.api.expect(201, "POST", "/jobs", body, key).json["id"], made["id"])
        self.assertTrue(self.api.expect(200, "POST", "/jobs", body).json["existing"])
        self.api.expect(422, "POST", "/jobs", {**body, "type": "u"}, key)
        path = f"/jobs/{made['id']}"
        job = self.claim(worker="w", poll="p", type="t,u")
        self.assertEqual(self.claim(worker="w", poll="p")["id"], job["id"])
        beat = {"version": 2, "progress": {"percent": 5, "message": "m"}, "log": "l" * 70000}
        self.api.expect(200, "POST", path + "/heartbeat", beat)
        self.api.expect(409, "POST", path + "/heartbeat", {**beat, "version": 9})
        self.api.expect(200, "POST", path + "/release", {"version": 2})
        job = self.claim()
        self.api.fail(job, error={"code": "c" * 200, "message": "m" * 2000, "trace": "t\n" * 99})
        job = self.claim()
        self.api.expect(200, "POST", path + "/cancel")
        self.assertEqual(self.api.fail(job)["state"], "canceled")
        self.api.retry(job["id"])
        job = self.claim()
        minimal = self.api.expect(200, "POST", path + "/complete", {"version": job["version"], "status": "succeeded", "result": [1]},
                                  {"Prefer": "return=minimal"}).json
        self.assertEqual(set(minimal), {"id", "version", "state"})
        check_job(self.api.job(made["id"]), details=True)
        self.api.expect(204, "DELETE", path)
        self.api.expect(404, "GET", path)

    def test_many_go_through_lists_of_everything(self):
        self.api.enqueue_many([{"type": f"t{i % 4}", "queue": self.queue, "payload": "x" * 500, "delay_ms": i % 2} for i in range(400)])
        done = 0
        while done < 200:
            jobs = self.api.claim_many(self.queue, 50, wait=5)
            beats = [{"id": job["id"], "version": job["version"], "log": "x"} for job in jobs]
            self.api.expect(200, "POST", "/jobs/heartbeat", {"heartbeats": beats})
            reports = [{"id": job["id"], "version": job["version"], "status": "succeeded", "result": "r" * 300} for job in jobs]
            self.api.expect(200, "POST", "/jobs/complete", {"completions": [*reports, {"id": 5 << 40, "version": 1, "status": "failed"}],
                                                           "next": {"queue": "nobody"}})
            done += len(jobs)
        self.assertGreater(len(self.api.all_jobs(queue=self.queue, limit=33)), 0)
        for action in ("cancel", "retry", "cancel", "delete"):
            self.api.expect(200, "POST", "/jobs/bulk", {"action": action, "filter": {"queue": self.queue}})
        for path in ("/queues", f"/queues/{self.queue}", "/stats", "/livez", "/readyz", f"/jobs?q=xx&state=queued&queue={self.queue}"):
            self.api.expect(200, "GET", path)
        for paused in (True, False):
            self.api.expect(200, "PATCH", f"/queues/{self.queue}", {"paused": paused})

    def test_time_ends_attempts_and_deletes_jobs(self):
        lost = self.started(lease_ms=1000, max_attempts=1)
        late = self.started(timeout_ms=100, max_attempts=1)
        done = self.ended("succeeded")
        wait_until(lambda: self.api.job(lost["id"])["state"] == self.api.job(late["id"])["state"] == "failed", timeout=60)
        wait_until(lambda: self.api.get(f"/jobs/{done['id']}").status == 404, timeout=60)

    def test_bad_bodies_everywhere_get_a_problem(self):
        job = self.started()
        before = self.api.job(job["id"])
        for method, path in (("POST", "/jobs"), ("POST", "/next-job"), ("POST", f"/jobs/{job['id']}/complete"), ("POST", "/jobs/complete"),
                             ("POST", f"/jobs/{job['id']}/heartbeat"), ("POST", "/jobs/heartbeat"), ("POST", f"/jobs/{job['id']}/release"),
                             ("POST", "/jobs/bulk"), ("PATCH", f"/queues/{self.queue}"), ("POST", f"/jobs/{job['id']}/retry")):
            for body in BAD_BODIES:
                with self.subTest(path=path, body=body[:40]):
                    reply = self.api.send(method, path, body)
                    self.assertTrue(400 <= reply.status < 500, reply)
        self.assert_unchanged(before)

    def test_bad_requests_get_a_problem_or_a_close(self):
        for line in BAD_LINES:
            sock = self.raw()
            sock.request(line)
            reply = sock.read_reply()
            self.assertTrue(reply is None or reply.status >= 400, reply)
        for header in BAD_HEADERS:
            sock = self.raw()
            sock.request("POST /jobs HTTP/1.1", "Content-Type: application/json", header, body=b'{"type": "t"}')
            reply = sock.read_reply()
            self.assertTrue(reply is None or reply.status >= 400, reply)
        self.api.expect(200, "GET", "/livez")

    def test_a_crowd_enqueues_claims_reports_and_hangs_up(self):
        def one(number):
            client = self.server.client()
            for step in range(25):
                client.enqueue(type="t", queue=self.queue, priority=step % 3)
                job = client.claim(self.queue, worker=f"w{number}", wait=0.01)
                if job and step % 5 == 0:
                    client.cancel(job["id"])
                if job:
                    client.succeed(job)
                if step % 8 == 0:
                    with self.server.raw() as sock:
                        sock.request(f"GET /next-job?queue={self.queue}-none&wait=30 HTTP/1.1")
            client.close()

        at_once(16, one)
        left = len(self.api.jobs(queue=self.queue, state="running"))
        self.assertEqual(left, 0)


class TheEnd(FreshServerCase):
    def test_it_ends_clean_with_polls_held_and_jobs_coming_in(self):
        server = self.fresh_server()
        held = [Task(self.client_of(server).get, f"/next-job?queue=none&wait=60&worker=w{i}&poll=p") for i in range(16)]
        clients = [self.client_of(server) for _ in range(4)]

        def enqueue(client):
            made = 0
            try:
                while client.post("/jobs", {"type": "t", "queue": "busy"}).status == 201:
                    made += 1
            except (OSError, EOFError, http.client.HTTPException):
                pass
            return made

        busy = [Task(enqueue, client) for client in clients]
        wait_until(lambda: (queue := self.client_of(server).get("/queues/busy")).status == 200 and queue.json["counts"]["queued"] > 20)
        wait_until(lambda: self.client_of(server).get("/stats").json["held_polls"] == len(held))
        server.stop()
        self.assertEqual({task.result().status for task in held}, {204})
        made = sum(task.result() for task in busy)
        server.start()
        self.assertGreaterEqual(self.client_of(server).queue("busy")["counts"]["queued"], made)
        server.stop()


if __name__ == "__main__":
    unittest.main()
