# SPDX-License-Identifier: MIT
"""How requests are told apart: thirty-eight ways in which HTTP servers have been led to read one request as two, another or none, each with
the one answer that is right. More of their kind stand in tests/api/test_malformed.py; these run over TLS too."""
import os
import unittest

from harness import ServerCase

JSON = "Content-Type: application/json"
GOOD = b'{"type": "smuggled"}'
SIZE = f"Content-Length: {len(GOOD)}"
CHUNKED = "Transfer-Encoding: chunked"
POST, GET = "POST /jobs HTTP/1.1", "GET /jobs?limit=1 HTTP/1.1"
INNER = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n" + GOOD
CHUNK = b"14\r\n" + GOOD + b"\r\n0\r\n\r\n"
FOREIGN = "Host: evil.example"
BAD, ROUTE = (400,), (400, 404)


class Case:
    """`right`: the statuses that are. `closed`: where the next request would begin is not known, so the connection ends."""

    def __init__(self, name, right, line, *headers, body=b"", host=True, closed=True, raw=None):
        self.name, self.right, self.line, self.headers, self.body = name, right, line, headers, body
        self.host, self.closed, self.raw = host, closed, raw


CASES = [
    # Where the body ends.
    Case("a length and chunks, a request smuggled behind", BAD, POST, JSON, "Content-Length: 5", CHUNKED, body=b"0\r\n\r\n" + INNER),
    Case("chunks and a length, a request smuggled behind", BAD, POST, JSON, CHUNKED, "Content-Length: 5", body=b"0\r\n\r\n" + INNER),
    Case("two different lengths", BAD, POST, JSON, SIZE, "Content-Length: 5", body=GOOD),
    Case("two equal lengths", BAD, POST, JSON, SIZE, SIZE, body=GOOD),
    Case("a length with junk behind", BAD, POST, JSON, "Content-Length: 20abc", body=GOOD),
    Case("a length with a plus", BAD, POST, JSON, "Content-Length: +20", body=GOOD),
    Case("a length above every number", (400, 413), POST, JSON, "Content-Length: 99999999999999999999", body=GOOD),
    Case("a length below zero", (400, 411), POST, JSON, "Content-Length: -1", body=GOOD),
    Case("a transfer encoding of another name", BAD, POST, JSON, "Transfer-Encoding: xchunked", body=CHUNK),
    Case("identity and chunked", BAD, POST, JSON, "Transfer-Encoding: identity", CHUNKED, body=CHUNK),
    Case("chunked twice", BAD, POST, JSON, "Transfer-Encoding: chunked, chunked", body=CHUNK),
    Case("chunked and then something", BAD, POST, JSON, "Transfer-Encoding: chunked, identity", body=CHUNK),
    Case("a chunk of 2^64 - 1 bytes", (400, 413), POST, JSON, CHUNKED, body=b"ffffffffffffffff\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    Case("a chunk of -1 bytes", BAD, POST, JSON, CHUNKED, body=b"-1\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    Case("a chunk of 0x14 bytes", BAD, POST, JSON, CHUNKED, body=b"0x14\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    Case("a chunk longer than it says", BAD, POST, JSON, CHUNKED, body=b"5\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    # Where the headers end, and what one is.
    Case("line feeds alone", BAD, None, raw=b"POST /jobs HTTP/1.1\nHost: %s\nContent-Type: application/json\nContent-Length: 20\n\n" + GOOD),
    Case("a folded header", BAD, GET, "X-A: b\r\n folded"),
    Case("a space before the colon", BAD, GET, "X-A : b"),
    Case("a space before the colon of a length", BAD, POST, JSON, "Content-Length : 20", body=GOOD),
    Case("a NUL in a header", BAD, GET, "X-A: a\0b"),
    Case("a header of 20 KiB", (400, 431), GET, "X-A: " + "a" * 20480),
    Case("65 headers", (431,), GET, *[f"X-{number}: {number}" for number in range(64)]),
    Case("70 headers and an Authorization behind them", (431,), GET, *[f"X-{number}: {number}" for number in range(70)], "Authorization: Bearer x"),
    Case("two Authorization headers", BAD, GET, "Authorization: Bearer a", "Authorization: Bearer b", closed=False),
    # Whom it is for.
    Case("no Host", BAD, GET, host=False),
    Case("another's Host", (421,), GET, FOREIGN, host=False, closed=False),
    Case("another's Origin", (403,), POST, JSON, SIZE, "Origin: http://evil.example", body=GOOD, closed=False),
    Case("a preflight", (403, 404, 405), "OPTIONS /jobs HTTP/1.1", "Origin: http://evil.example", "Access-Control-Request-Method: POST", closed=False),
    Case("no Content-Type", (415,), POST, SIZE, body=GOOD, closed=False),
    # Which method, which path.
    Case("CONNECT", (405,), "CONNECT /jobs HTTP/1.1", closed=False),
    Case("TRACE", (400, 405), "TRACE /jobs HTTP/1.1", closed=False),
    Case("a NUL behind the path", ROUTE, "GET /next-job%00 HTTP/1.1", closed=False),
    Case("two slashes", ROUTE, "GET //next-job HTTP/1.1", closed=False),
    Case("a way back, encoded", ROUTE, "GET /x/..%2fnext-job HTTP/1.1", closed=False),
    Case("a way back", ROUTE, "GET /x/../next-job HTTP/1.1", closed=False),
    Case("another case", ROUTE, "GET /NEXT-JOB HTTP/1.1", closed=False),
    Case("a longer path", ROUTE, "GET /next-job/x HTTP/1.1", closed=False),
]


class Framing(ServerCase):
    def attack(self, case):
        sock = self.raw()
        if case.raw is not None:
            sock.send(case.raw.replace(b"%s", sock.authority.encode()))
        else:
            sock.request(case.line, *case.headers, body=case.body, host=case.host)
        return sock, sock.read_reply(case.line.split()[0] if case.line else "POST")

    def test_each_of_the_38_has_its_one_answer(self):
        self.assertEqual(len(CASES), 38)
        # A client certificate that is asked for, or a token, makes the API one that no web page can drive: Hosts are free then.
        open_api = not os.environ.get("TASKQ_TEST_CERT") and not os.environ.get("TASKQ_TEST_TOKEN")
        for case in CASES:
            if not open_api and case.right in ((421,), (403,)):
                continue
            with self.subTest(case.name):
                sock, reply = self.attack(case)
                self.assertIsNotNone(reply, "closed without an answer")
                self.assertIn(reply.status, case.right, reply)
                for name in reply.headers:
                    self.assertFalse(name.lower().startswith("access-control-"), reply.headers)
                if case.closed:
                    self.assertTrue(sock.is_closed_by_peer(), f"the connection goes on after {reply}")
        self.assertEqual(self.api.jobs(type="smuggled"), [])

    def test_the_same_without_the_trick_is_taken(self):
        """So it is the trick that is refused."""
        for headers, body in (((JSON, SIZE), GOOD), ((JSON, CHUNKED), CHUNK)):
            sock = self.raw()
            sock.request(POST, *headers, body=body.replace(b"smuggled", b"straight"))
            self.assertEqual(sock.read_reply("POST").status, 201)
        sock = self.raw()
        sock.request(GET, *[f"X-{number}: {number}" for number in range(50)])
        self.assertEqual(sock.read_reply().status, 200)

    def test_what_is_smuggled_behind_a_refusal_is_never_read(self):
        for line in ("GET /nope HTTP/1.1", "DELETE /jobs/0 HTTP/1.1", "PUT /jobs HTTP/1.1", "TRACE / HTTP/1.1"):
            sock = self.raw()
            sock.request(line, "Content-Length: 5", CHUNKED, body=b"0\r\n\r\n" + INNER)
            self.assertEqual(sock.read_reply().status, 400)
            self.assertTrue(sock.is_closed_by_peer())
        self.assertEqual(self.api.jobs(type="smuggled"), [])


if __name__ == "__main__":
    unittest.main()
