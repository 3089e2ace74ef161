# SPDX-License-Identifier: MIT
"""Requests that no proper client sends: each gets a problem answer or a closed connection, and changes nothing."""
import unittest

from harness import ServerCase
from parallel import Task

JSON = "Content-Type: application/json"
GOOD = b'{"type": "smuggled"}'


class Malformed(ServerCase):
    def tearDown(self):
        self.assertEqual(self.api.jobs(type="smuggled"), [], "a malformed request made a job")
        self.assertEqual(self.api.expect(200, "GET", "/livez").json["status"], "ok")

    def exchange(self, line, *headers, body=b"", host=True):
        sock = self.raw()
        sock.request(line, *headers, body=body, host=host)
        return sock, sock.read_reply()

    def refused_raw(self, statuses, line, *headers, body=b"", host=True, closes=True):
        """A problem of one of these statuses, or a plain close; after which the connection is of no use."""
        sock, reply = self.exchange(line, *headers, body=body, host=host)
        if reply is None:
            self.fail(f"{line!r} was closed without an answer")
        self.assertIn(reply.status, statuses, reply)
        if closes:
            self.assertTrue(sock.is_closed_by_peer(), f"{line!r} {headers!r}: the connection goes on after {reply}")
        return reply

    def test_a_request_without_host_is_bad(self):
        self.refused_raw((400,), "GET /jobs HTTP/1.1", host=False)

    def test_two_hosts_are_bad(self):
        self.refused_raw((400,), "GET /jobs HTTP/1.1", "Host: localhost")

    def test_two_headers_that_may_come_once_are_bad(self):
        for name, values in (("Authorization", ("Bearer a", "Bearer b")), ("Content-Type", ("application/json", "text/plain")),
                             ("Idempotency-Key", ("a", "b")), ("Origin", ("http://localhost", "http://evil.example"))):
            with self.subTest(name=name):
                reply = self.refused_raw((400, 403, 415, 422), "POST /jobs HTTP/1.1", *[f"{name}: {value}" for value in values],
                                         *([] if name == "Content-Type" else [JSON]), f"Content-Length: {len(GOOD)}", body=GOOD, closes=False)
                self.assertIsNotNone(reply)

    def test_content_lengths_that_are_none_are_bad(self):
        for value in ("5abc", "+5", "-1", "0x14", "20 20", "1e1", "", "20,20", "\t", "99999999999999999999", "18446744073709551636"):
            with self.subTest(value=value):
                self.refused_raw((400, 411, 413), "POST /jobs HTTP/1.1", JSON, f"Content-Length: {value}", body=GOOD)

    def test_two_content_lengths_are_bad(self):
        for second in ("20", "5"):
            self.refused_raw((400,), "POST /jobs HTTP/1.1", JSON, "Content-Length: 20", f"Content-Length: {second}", body=GOOD)

    def test_length_and_chunks_together_are_bad(self):
        smuggled = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n" + GOOD
        for headers in (("Content-Length: 4", "Transfer-Encoding: chunked"), ("Transfer-Encoding: chunked", "Content-Length: 4")):
            self.refused_raw((400,), "POST /jobs HTTP/1.1", JSON, *headers, body=b"0\r\n\r\n" + smuggled)

    def test_strange_transfer_encodings_are_bad(self):
        for value in ("xchunked", "identity", "gzip", "chunked, chunked", "chunked, identity", "gzip, chunked", ""):
            with self.subTest(value=value):
                self.refused_raw((400, 411, 415), "POST /jobs HTTP/1.1", JSON, f"Transfer-Encoding: {value}", body=b"0\r\n\r\n")
        self.refused_raw((400,), "POST /jobs HTTP/1.1", JSON, "Transfer-Encoding: identity", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")

    def test_chunks_are_read_or_refused_never_misread(self):
        body = b"14\r\n" + GOOD.replace(b"smuggled", b"chunked1") + b"\r\n0\r\n\r\n"
        sock, reply = self.exchange("POST /jobs HTTP/1.1", JSON, "Transfer-Encoding: chunked", body=body)
        self.assertIn(reply.status, (201, 400, 411), reply)
        if reply.status != 201:
            self.assertTrue(sock.is_closed_by_peer())

    def test_broken_chunks_are_bad(self):
        for size in (b"ffffffffffffffff", b"-1", b"0x14", b"zz", b"", b"14;"):
            with self.subTest(size=size):
                self.refused_raw((400, 411, 413), "POST /jobs HTTP/1.1", JSON, "Transfer-Encoding: chunked",
                                 body=size + b"\r\n" + GOOD + b"\r\nZZ\r\n\r\n")

    def test_folded_and_crooked_headers_are_bad(self):
        for header in ("X-A: b\r\n folded", "X-A: b\r\n\tfolded", "X-A : b", " X-A: b", ": b", "X-A", "X A: b", "X-A: a\0b", "X-\x01: b", "X-A: \x01b",
                       "X(A): b"):
            with self.subTest(header=header):
                self.refused_raw((400, 431), "GET /jobs HTTP/1.1", header)

    def test_bare_line_feeds_are_bad(self):
        sock = self.raw()
        sock.send(f"GET /jobs HTTP/1.1\nHost: {sock.authority}\n\n")
        reply = sock.read_reply()
        self.assertEqual(reply.status, 400)

    def test_too_many_or_too_large_headers_are_431(self):
        reply = self.refused_raw((431,), "GET /jobs HTTP/1.1", *[f"X-{i}: {i}" for i in range(70)])
        self.assertEqual(reply.slug, "headers-too-large")
        self.refused_raw((431, 400), "GET /jobs HTTP/1.1", "X-A: " + "a" * 100000)
        self.refused_raw((431, 400, 404), "GET /" + "a" * 100000 + " HTTP/1.1")

    def test_fifty_headers_are_good(self):
        _, reply = self.exchange("GET /jobs?limit=1 HTTP/1.1", *[f"X-{i}: {i}" for i in range(50)])
        self.assertEqual(reply.status, 200)

    def test_broken_request_lines_are_bad(self):
        for line in ("GET", "GET /jobs", "GET  /jobs HTTP/1.1", "GET /jobs HTTP/9.9", "GET /jobs HTTP/1.1 x", "GET jobs HTTP/1.1", "GET /jobs http/1.1",
                     "GET /jobs FTP/1.1", "/jobs HTTP/1.1", "\0\0\0 / HTTP/1.1", "GET /\x01 HTTP/1.1", "GET /jobs\t HTTP/1.1", "GET /\xff HTTP/1.1"):
            with self.subTest(line=line):
                self.refused_raw((400, 404), line, closes=False)

    def test_other_methods_are_never_taken(self):
        for line in ("CONNECT localhost:80 HTTP/1.1", "CONNECT /jobs HTTP/1.1", "TRACE /jobs HTTP/1.1", "BREW /jobs HTTP/1.1", "get /jobs HTTP/1.1",
                     "PROPFIND /jobs HTTP/1.1", "MKCOL /jobs HTTP/1.1", "OPTIONS * HTTP/1.1", "PRI * HTTP/2.0", "REPORT /jobs HTTP/1.1"):
            with self.subTest(line=line):
                self.refused_raw((400, 404, 405), line, closes=False)

    def test_a_path_is_taken_exactly_as_it_stands(self):
        made = self.enqueue()
        name = f"?queue={self.queue}"
        for path in (f"/next-job%00{name}", f"//next-job{name}", f"/x/..%2fnext-job{name}", f"/x/../next-job{name}", f"/./next-job{name}",
                     f"/NEXT-JOB{name}", f"/next%2djob{name}", f"/%6eext-job{name}", f"/next-job/{name}", f"/x\\..\\next-job{name}",
                     f"/next-job%2f{name}", f"/next-job.{name}", f"/next-job%20{name}", f"/next-job#{name}", f"/jobs/../next-job{name}"):
            with self.subTest(path=path):
                self.refused_raw((400, 404), f"GET {path} HTTP/1.1", closes=False)
        self.assertEqual(self.api.job(made["id"])["version"], 1)

    def test_an_absolute_target_is_no_way_around_the_host(self):
        _, reply = self.exchange("GET http://evil.example/jobs HTTP/1.1")
        self.assertIn(reply.status, (400, 404, 421), reply)

    def test_two_requests_in_one_packet_are_answered_in_order(self):
        sock = self.raw()
        one = f"GET /livez HTTP/1.1\r\nHost: {sock.authority}\r\n\r\n"
        sock.send(one + one.replace("livez", "nope"))
        self.assertEqual([sock.read_reply().status for _ in range(2)], [200, 404])

    def test_the_body_of_a_refused_request_is_never_the_next_one(self):
        inner = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n" + GOOD
        for line in ("POST /nope HTTP/1.1", "DELETE /jobs/1 HTTP/1.1", "GET /jobs HTTP/1.1", "PUT /jobs HTTP/1.1"):
            with self.subTest(line=line):
                sock, reply = self.exchange(line, JSON, f"Content-Length: {len(inner)}", body=inner)
                self.assertIsNotNone(reply)
                if reply.status < 400:
                    self.assertIn(line.split()[0], ("GET",))

    def test_an_expectation_is_met_before_the_body_is_waited_for(self):
        sock = self.raw()
        body = f'{{"type": "t", "queue": "{self.queue}"}}'.encode()
        sock.request("POST /jobs HTTP/1.1", JSON, "Expect: 100-continue", f"Content-Length: {len(body)}")
        interim = b""
        while b"\r\n\r\n" not in interim:
            interim += sock.socket.recv(1024)
        self.assertTrue(interim.startswith(b"HTTP/1.1 100 "), interim)
        sock.send(body)
        self.assertEqual(sock.read_reply().status, 201)

    def test_a_connection_cut_in_the_middle_changes_nothing(self):
        for size in (0, 5, 19):
            sock = self.raw()
            sock.request("POST /jobs HTTP/1.1", JSON, "Content-Length: 20", body=GOOD[:size])
            sock.close()
        sock = self.raw()
        sock.send("POST /jobs HTT")
        sock.close()

    def test_http_1_0_is_answered_and_closed(self):
        sock, reply = self.exchange("GET /livez HTTP/1.0")
        self.assertEqual(reply.status, 200)
        self.assertTrue(sock.is_closed_by_peer())

    def test_connection_close_is_honoured(self):
        sock, reply = self.exchange("GET /livez HTTP/1.1", "Connection: close")
        self.assertEqual(reply.status, 200)
        self.assertTrue(sock.is_closed_by_peer())


class Slow(ServerCase):
    def test_a_body_that_does_not_come_is_408_and_others_are_served_meanwhile(self):
        def trickle(_):
            with self.server.raw() as sock:
                sock.request("POST /jobs HTTP/1.1", JSON, "Content-Length: 20", body=b"{")
                return sock.read_reply()

        def silent(_):
            with self.server.raw() as sock:
                sock.send("POST /jobs HTTP/1.1\r\nHo")
                return sock.read_reply()

        slow = [Task(trickle, i) for i in range(4)]
        mute = [Task(silent, i) for i in range(4)]
        self.api.expect(200, "GET", "/livez")
        self.assertEqual([task.result().slug for task in slow], ["request-timeout"] * 4)
        for task in mute:
            reply = task.result()
            self.assertTrue(reply is None or reply.status == 408, reply)


if __name__ == "__main__":
    unittest.main()
