# SPDX-License-Identifier: MIT
"""Every bound: what is inside is taken, what is past it has a clear answer and is counted, and others are served meanwhile."""
import json
import threading
import time
import unittest

from guarded import GuardedCase
from program import run
from waiting import wait_until


def nested(depth):
    return "[" * depth + "]" * depth


class Sizes(GuardedCase):
    def counted(self, server, name):
        return self.as_(server).expect(200, "GET", "/stats").json["refused"][name]

    def test_the_head_of_a_request(self):
        server = self.fresh_server("--max-header", "4KiB")
        for size, status in ((3000, 200), (5000, 431)):
            sock = self.raw_to(server)
            sock.request("GET /livez HTTP/1.1", "X-Pad: " + "x" * size)
            self.assertEqual(sock.read_reply().status, status)
        self.assertEqual(self.counted(server, "header_size"), 1)

    def test_path_and_query(self):
        server = self.fresh_server("--max-url", "300B")
        for size, status in ((300, 200), (301, 431)):
            reply = self.as_(server).get("/jobs?q=" + "x" * (size - len("/jobs?q=")))
            self.assertEqual(reply.status, status)
        self.assertIn("300 bytes", reply.json["detail"])
        self.assertEqual(self.counted(server, "url_length"), 1)

    def test_the_body(self):
        server = self.fresh_server("--max-body", "1KiB")
        for size, status in ((1024, 201), (1025, 413)):
            body = b'{"type": "t", "payload": "'
            reply = self.as_(server).send("POST", "/jobs", body + b"x" * (size - len(body) - 2) + b'"}')
            self.assertEqual(reply.status, status)
        self.assertEqual(self.counted(server, "body_size"), 1)

    def test_the_depth_of_a_body_and_of_what_is_in_it(self):
        server = self.fresh_server("--max-json-depth", "10")
        for depth, status in ((10, 201), (11, 422)):
            reply = self.as_(server).send("POST", "/jobs", f'{{"type": "t", "payload": {nested(depth)}}}'.encode())
            self.assertEqual(reply.status, status)
        self.assertEqual(self.as_(server).send("POST", "/jobs", nested(11).encode()).status, 422)
        self.assertEqual(self.counted(server, "json_depth"), 2)

    def test_values_out_of_range_are_refused_at_the_start(self):
        for option, value in (("--max-header", "1KiB"), ("--max-header", "1MiB"), ("--max-url", "10B"), ("--max-json-depth", "4"), ("--max-json-depth", "129"),
                              ("--request-timeout", "10ms"), ("--handshake-timeout", "1ms"), ("--max-connections-per-address", "0"),
                              ("--max-polls-per-worker", "0"), ("--max-handshakes", "0"), ("--trusted-proxy", "10.0.0.0/33"), ("--trusted-proxy", "all")):
            done = run("TASKQ_SERVER", "--db", self.folder / "x.db", "--listen", "127.0.0.1:0", option, value, "--check")
            self.assertEqual(done.returncode, 2, f"{option} {value}: {done.stderr}")
            self.assertTrue(done.stderr)


class Times(GuardedCase):
    def trickle(self, server, first, context=None):
        """A byte every tenth of a second; the answer that ends it."""
        sock = self.raw_to(server, context)
        sock.send(first)
        started = time.monotonic()
        sock.socket.settimeout(0.1)
        while time.monotonic() - started < 60:
            try:
                return sock.read_reply()
            except TimeoutError:
                sock.send("x")
        raise AssertionError("it may trickle for ever")

    def trickled(self, server, context=None):
        found = []
        head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        again = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        starts = (head + "X-A: ", head + "Content-Length: 1000\r\n\r\n", head + "Transfer-Encoding: chunked\r\n\r\n3e8\r\n")
        threads = [threading.Thread(target=lambda s=start: found.append(self.trickle(server, s, context).status)) for start in starts]
        for thread in threads:
            thread.start()
        client = self.as_(server, context=context)
        while any(thread.is_alive() for thread in threads):
            self.assertEqual(client.get("/livez").status, 200)
        self.assertEqual(found, [408, 408, 408])
        sock = self.raw_to(server, context)
        sock.send(again)
        self.assertEqual(sock.read_reply().status, 200)
        self.assertEqual(client.get("/stats").json["refused"]["request_time"], 3)

    def test_a_head_and_a_body_that_trickle_are_ended(self):
        self.trickled(self.fresh_server("--request-timeout", "1s"))

    def test_over_tls_too(self):
        self.trickled(self.tls_server("--request-timeout", "1s"), self.context())

    def test_the_second_head_of_a_connection_is_no_exception(self):
        server = self.fresh_server("--request-timeout", "1s")
        sock = self.raw_to(server)
        sock.request("GET /livez HTTP/1.1")
        sock.read_reply()
        started = time.monotonic()
        sock.send("GET /livez HTTP/1.1\r\nX-A: ")
        sock.socket.settimeout(0.1)
        reply = None
        while reply is None and time.monotonic() - started < 60:
            try:
                reply = sock.read_reply()
            except TimeoutError:
                sock.send("x")
        self.assertEqual(reply.status, 408)


class Addresses(GuardedCase):
    def test_one_address_has_its_share_of_connections(self):
        server = self.fresh_server("--max-connections-per-address", "4")
        held = [self.raw_to(server) for _ in range(4)]
        for sock in held:
            sock.request("GET /livez HTTP/1.1")
            self.assertEqual(sock.read_reply().status, 200)
        for _ in range(3):
            sock = self.raw_to(server)
            sock.request("GET /livez HTTP/1.1")
            reply = sock.read_reply()
            self.assertEqual((reply.status, reply.slug), (429, "too-many-requests"))
            self.assertTrue(sock.is_closed_by_peer())
        held[0].request("GET /stats HTTP/1.1")
        self.assertEqual(held[0].read_reply().json["refused"]["connections_per_address"], 3)
        held[1].close()
        wait_until(lambda: self.as_(server).get("/livez").status == 200)

    def test_over_tls_it_is_told_too(self):
        server = self.tls_server("--max-connections-per-address", "2")
        held = [self.as_(server, context=self.context()) for _ in range(2)]
        for client in held:
            self.assertEqual(client.get("/livez").status, 200)
        sock = self.raw_to(server, self.context())
        sock.request("GET /livez HTTP/1.1")
        self.assertEqual(sock.read_reply().status, 429)

    def test_behind_a_trusted_proxy_the_forwarded_address_counts(self):
        server = self.fresh_server("--max-connections-per-address", "2", "--trusted-proxy", "127.0.0.0/8")
        api = self.as_(server)
        held = [self.raw_to(server) for _ in range(5)]
        for sock in held[:2]:
            sock.request("GET /next-job?wait=30 HTTP/1.1", "X-Forwarded-For: 6.6.6.6, 1.2.3.4")
        wait_until(lambda: api.get("/stats").json["held_polls"] == 2)
        held[2].request("GET /livez HTTP/1.1", "X-Forwarded-For: 1.2.3.4")
        self.assertEqual(held[2].read_reply().status, 429)
        held[3].request("GET /livez HTTP/1.1", "X-Forwarded-For: 1.2.3.5")
        self.assertEqual(held[3].read_reply().status, 200)
        api.enqueue(type="t"), api.enqueue(type="t")
        for sock in held[:2]:
            self.assertEqual(sock.read_reply().status, 200)
        held[2].request("GET /livez HTTP/1.1", "X-Forwarded-For: 1.2.3.4")
        self.assertEqual(held[2].read_reply().status, 200)

    def test_an_untrusted_one_cannot_speak_for_others(self):
        server = self.guarded_server("--trusted-proxy", "10.0.0.0/8")
        for n in range(30):
            reply = self.as_(server, "wrong").get("/jobs", {"X-Forwarded-For": f"1.2.3.{n}"})
        self.assertEqual(reply.status, 429)

    def test_wrong_tokens_behind_a_trusted_proxy_are_slowed_down_by_the_forwarded_address(self):
        server = self.guarded_server("--trusted-proxy", "127.0.0.1")
        for _ in range(30):
            reply = self.as_(server, "wrong").get("/jobs", {"X-Forwarded-For": "1.2.3.4"})
        self.assertEqual(reply.status, 429)
        self.assertEqual(self.as_(server, "wrong").get("/jobs", {"X-Forwarded-For": "1.2.3.5"}).status, 401)


class Polls(GuardedCase):
    def test_one_worker_holds_so_many(self):
        server = self.fresh_server("--max-polls-per-worker", "2")
        api = self.as_(server)
        held = [self.raw_to(server) for _ in range(2)]
        for sock in held:
            sock.request("GET /next-job?wait=30&worker=w1 HTTP/1.1")
        wait_until(lambda: api.get("/stats").json["held_polls"] == 2)
        reply = api.get("/next-job?wait=30&worker=w1")
        self.assertEqual((reply.status, reply.slug), (429, "too-many-requests"))
        self.assertEqual(api.get("/next-job?worker=w1").status, 204)
        self.assertEqual(api.get("/next-job?wait=0.1&worker=w2").status, 204)
        self.assertEqual(api.get("/stats").json["refused"]["polls_per_worker"], 1)
        api.enqueue(type="t"), api.enqueue(type="t")
        for sock in held:
            self.assertEqual(sock.read_reply().status, 200)
        self.assertEqual(api.get("/next-job?wait=0.1&worker=w1").status, 204)

    def test_polls_past_the_bound_are_counted(self):
        server = self.fresh_server("--max-connections", "8")
        api = self.as_(server)
        held = [self.raw_to(server) for _ in range(4)]
        for sock in held:
            sock.request("GET /next-job?wait=30 HTTP/1.1")
        wait_until(lambda: api.get("/stats").json["held_polls"] == 4)
        self.assertEqual(api.get("/next-job?wait=30").status, 503)
        self.assertEqual(api.get("/stats").json["refused"]["held_polls"], 1)


class Audit(GuardedCase):
    def lines(self, server):
        found = [json.loads(line) for line in server.program.log().splitlines()]
        return [line for line in found if line["component"] == "audit"]

    def test_every_change_says_who_what_which_and_from_where(self):
        producer = self.tokens.create("producer", "shop")
        server = self.guarded_server("--trusted-proxy", "127.0.0.1")
        shop, admin = self.as_(server, producer), self.as_(server, self.admin)
        headers = {"X-Forwarded-For": "1.2.3.4", "X-Request-Id": "r-1"}
        job = shop.expect(201, "POST", "/jobs", {"type": "t", "queue": "q"}, headers).json
        many = shop.enqueue_many([{"type": "t", "queue": "q"} for _ in range(3)])
        shop.cancel(job["id"])
        shop.retry(job["id"])
        shop.cancel(job["id"])
        admin.expect(204, "DELETE", f"/jobs/{job['id']}")
        admin.expect(200, "POST", "/jobs/bulk", {"action": "cancel", "filter": {"queue": "q"}})
        admin.expect(200, "PATCH", "/queues/q", {"paused": True})
        lines = self.lines(server)
        self.assertEqual([(line["who"], line["role"], line["what"]) for line in lines], [
            ("shop", "producer", "POST /jobs"), ("shop", "producer", "POST /jobs"), ("shop", "producer", "POST /jobs/{id}/cancel"),
            ("shop", "producer", "POST /jobs/{id}/retry"), ("shop", "producer", "POST /jobs/{id}/cancel"),
            ("root", "admin", "DELETE /jobs/{id}"), ("root", "admin", "POST /jobs/bulk"), ("root", "admin", "PATCH /queues/{name}")])
        self.assertEqual((lines[0]["client"], lines[0]["request_id"], lines[0]["job_ids"], lines[0]["queue"]), ("1.2.3.4", "r-1", str(job["id"]), "q"))
        self.assertEqual((lines[1]["job_ids"], lines[1]["count"]), (",".join(str(one["id"]) for one in many), 3))
        self.assertEqual([line["job_id"] for line in lines[2:6]], [str(job["id"])] * 4)
        self.assertEqual((lines[6]["action"], lines[6]["count"], lines[6]["queue"]), ("cancel", 3, "q"))
        self.assertEqual((lines[7]["name"], lines[7]["action"]), ("q", "pause"))

    def test_reading_refusals_and_workers_at_work_are_no_changes(self):
        worker = self.tokens.create("worker")
        server = self.guarded_server()
        admin, hand = self.as_(server, self.admin), self.as_(server, worker)
        admin.enqueue(type="t")
        hand.succeed(hand.claim("default"))
        admin.jobs()
        admin.expect(404, "POST", "/jobs/999/cancel")
        hand.expect(403, "POST", "/jobs", {"type": "t"})
        self.assertEqual(len(self.lines(server)), 1)
        job = admin.enqueue(type="t")
        admin.succeed(admin.claim("default"))  # an admin in a worker's place
        self.assertEqual([line["what"] for line in self.lines(server)[2:]], ["GET /next-job", "POST /jobs/{id}/complete"])
        self.assertEqual(self.lines(server)[3]["job_id"], str(job["id"]))

    def test_in_the_open_mode_too_and_a_certificate_has_its_name(self):
        server = self.fresh_server()
        self.as_(server).enqueue(type="t")
        self.assertEqual(self.lines(server)[0]["who"], "open")
        server = self.tls_server("--tls-client-ca", self.folder / "pki" / "ca.pem")
        self.as_(server, context=self.context(self.authority.issue("carol"))).enqueue(type="t")
        self.assertEqual((self.lines(server)[0]["who"], self.lines(server)[0]["role"]), ("carol", "open"))

    def test_a_thousand_jobs_are_one_line_that_is_not_too_long(self):
        server = self.guarded_server()
        self.as_(server, self.admin).enqueue_many([{"type": "t"} for _ in range(1000)])
        line, = self.lines(server)
        self.assertEqual((line["count"], line["job_ids"][-4:]), (1000, ",..."))

    def test_no_payload_and_no_forged_line_is_in_it(self):
        server = self.guarded_server()
        self.as_(server, self.admin).enqueue(type="t", payload={"secret": "hunter2"}, unique_key="a\nb")
        self.assertNotIn("hunter2", server.program.log())
        self.assertEqual(len(self.lines(server)), 1)


if __name__ == "__main__":
    unittest.main()
