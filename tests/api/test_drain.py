# SPDX-License-Identifier: MIT
"""How a server ends, seen from its clients: whoever gets through to it is answered, and whoever does not is refused before a request is sent."""
import http.client
import signal
import threading
import unittest
from urllib.parse import urlsplit

from harness import FreshServerCase, tls_context
from waiting import wait_until

CLIENTS = 12


class _Client(threading.Thread):
    """Enqueues without a pause until nobody takes its connection any more. `keeps`: as long as the server keeps it, else one a request."""

    def __init__(self, url, keeps):
        super().__init__(daemon=True)
        self.parts, self.keeps = urlsplit(url), keeps
        self.answered, self.lost = 0, []

    def connect(self):
        if self.parts.scheme == "https":
            made = http.client.HTTPSConnection(self.parts.hostname, self.parts.port, timeout=60, context=tls_context())
        else:
            made = http.client.HTTPConnection(self.parts.hostname, self.parts.port, timeout=60)
        made.connect()
        return made

    def run(self):
        connection = None
        while True:
            if connection is None:
                try:
                    connection = self.connect()
                except ConnectionRefusedError:
                    return
            connection = self.ask(connection)

    def ask(self, connection):
        try:
            connection.request("POST", "/jobs", b'{"type":"t"}', {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as why:
            self.lost.append(repr(why))
            return connection.close()
        self.answered += 1
        if answer.status != 201:
            self.lost.append(answer.status)
        return connection if self.keeps and not answer.will_close else connection.close()


class TheEnd(FreshServerCase):
    def test_no_request_is_lost_when_a_server_ends_under_load(self):
        server = self.fresh_server("--log-level", "warn")
        clients = [_Client(server.url, keeps=number % 2 == 0) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        wait_until(lambda: all(client.answered > 5 for client in clients), what="requests of every client")
        server.stop()
        for client in clients:
            client.join(60)
        self.assertEqual([], [lost for client in clients for lost in client.lost])

    def test_a_server_that_drains_serves_on_and_says_that_it_is_not_ready(self):
        server = self.fresh_server("--drain", "10m")
        api = self.client_of(server)
        api.health("/livez")
        server.program.send_signal(signal.SIGTERM)
        wait_until(lambda: api.health("/readyz").status == 503, what="a server that says that it ends")
        answer = self.client_of(server).post("/jobs", {"type": "t"})
        self.assertEqual((201, "close"), (answer.status, answer.headers["Connection"]))
        server.kill()

    def test_polls_that_are_held_end_without_a_job(self):
        server = self.fresh_server()
        got = []
        poll = threading.Thread(target=lambda: got.append(self.client_of(server).get("/next-job?wait=60")))
        poll.start()
        wait_until(lambda: self.client_of(server).get("/stats").json["held_polls"] == 1, what="a held poll")
        server.stop()
        poll.join(60)
        self.assertEqual((204, "close"), (got[0].status, got[0].headers["Connection"]))


if __name__ == "__main__":
    unittest.main()
