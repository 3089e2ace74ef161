# SPDX-License-Identifier: MIT
"""What clients may use up without holding others: descriptors, memory, and the time of a server that is to end."""
import resource
import signal
import threading
import time
import unittest

from harness import FreshServerCase

MEGABYTE = "x" * 1_000_000
SEND_SECONDS = 60  # how long a server that goes on waits for an answer to be taken
TICKS = 100  # of /proc's clock, a second


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_megabytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() >> 20


class Scarce(FreshServerCase):
    def test_a_server_without_descriptors_waits_for_one_and_does_not_spin(self):
        server = self.fresh_server("--max-connections", "200")
        resource.prlimit(server.program.pid, resource.RLIMIT_NOFILE, (60, 60))
        connections = [server.raw() for _ in range(90)]
        time.sleep(0.5)
        before, began = cpu_seconds(server.program.pid), time.monotonic()
        time.sleep(2)
        share = (cpu_seconds(server.program.pid) - before) / (time.monotonic() - began)
        for connection in connections:
            connection.close()
        self.assertLess(share, 0.1)
        self.assertEqual(self.client_of(server).health("/livez").status, 200)
        server.finish()

    def test_the_end_does_not_wait_for_clients_that_take_no_answer(self):
        server = self.fresh_server()
        api = self.client_of(server)
        for _ in range(8):
            api.enqueue(type="t", payload=MEGABYTE)
        clients = [server.raw() for _ in range(4)]
        for client in clients:
            self.addCleanup(client.close)
            client.send(f"GET /jobs HTTP/1.1\r\nHost: {client.authority}\r\n\r\n")
            self.assertTrue(client.socket.recv(1))  # the answer has begun
        began = time.monotonic()
        server.program.send_signal(signal.SIGTERM)
        self.assertEqual(server.program.wait(), 0)
        self.assertLess(time.monotonic() - began, SEND_SECONDS / 2)

    def test_memory_of_many_large_requests_at_once_is_given_back(self):
        server = self.fresh_server()
        body = '{"type":"t","x":[' + ",".join(["0"] * 500_000) + "]}"

        def ask():
            with server.raw() as client:
                client.send(f"POST /jobs HTTP/1.1\r\nHost: {client.authority}\r\nContent-Type: application/json\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n{body}")
                self.assertTrue(client.socket.recv(1))

        for _ in range(2):
            threads = [threading.Thread(target=ask) for _ in range(60)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        deadline = time.monotonic() + 60
        while resident_megabytes(server.program.pid) > 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertLess(resident_megabytes(server.program.pid), 200)
        server.finish()


if __name__ == "__main__":
    unittest.main()
