# SPDX-License-Identifier: MIT
"""Workers and clients with several servers: what they do when one of them is killed, and when one after the other is restarted."""
import collections
import json
import subprocess
import unittest

from harness import FreshServerCase
from program import environment, executable
from servers import several
from waiting import wait_until
from workcase import FreshWorkCase, wait_for

JOBS = 240
TURNS, EACH = 6, 300


def command(urls, *arguments):
    """taskq with all of these servers."""
    return [executable("TASKQ_CLI"), *arguments, *(word for url in urls for word in ("--server", url))]


class OneStore(FreshWorkCase):
    def setUp(self):
        super().setUp()
        self.api, self.servers = several(self, 3)
        self.urls = [server.url for server in self.servers]

    def worker_with(self, urls, *arguments):
        return self.new_worker("--concurrency", 8, *arguments, server=urls)

    def succeeded(self):
        return self.api.queue(self.queue)["counts"].get("succeeded", 0)

    def work_while(self, end):
        """All jobs are done, each by its first attempt, while one server after the other is ended and, as the next one ends, started."""
        workers = [self.worker_with(self.urls[first:] + self.urls[:first]) for first in range(3)]
        jobs = self.api.enqueue_many([{"type": "sleep", "queue": self.queue, "payload": {"duration_ms": 20}}] * JOBS)
        for turn in range(6):
            server = self.servers[turn % 3]
            wait_until(lambda: self.succeeded() >= (turn + 1) * JOBS // 8, what="work between two ends")
            end(server)
            if turn:
                self.servers[(turn - 1) % 3].start()
        wait_until(lambda: self.succeeded() == JOBS, what="all jobs")
        attempts = [one["attempt"] for one in (self.api.job(job["id"]) for job in jobs)]
        self.assertEqual({1: JOBS}, dict(collections.Counter(attempts)))
        for worker in workers:
            self.assertNotIn("the lease is lost", worker.log())

    def test_no_report_is_lost_when_servers_are_killed_under_load(self):
        self.work_while(lambda server: server.kill())

    def test_no_report_is_lost_while_servers_are_restarted_under_load(self):
        if not hasattr(self.servers[0], "stop"):
            self.skipTest("needs a store of several servers: TASKQ_TEST_DB")
        self.work_while(lambda server: server.stop())

    def test_a_lease_is_kept_on_the_servers_that_are_left(self):
        worker = self.worker_with(self.urls)
        job = self.api.enqueue(type="http", queue=self.queue, lease_ms=3000, payload={"url": self.service.url + "/hold/x"})
        wait_for(self.api, job, "running")
        first = self.api.job(job["id"])["lease_expires_at"]
        for server in self.servers[:2]:
            server.kill()
        wait_until(lambda: self.api.job(job["id"])["lease_expires_at"] > first, what="a lease that was renewed elsewhere")
        self.service.let_go(1)
        self.assertEqual((1, "succeeded"), (lambda one: (one["attempt"], one["state"]))(wait_for(self.api, job)))
        worker.stop()

    def test_workers_come_back_to_the_server_that_they_began_with(self):
        workers = [self.new_worker("--log-level", "debug", "--log-format", "json", server=self.urls) for _ in range(4)]
        wait_until(lambda: all("asking" in worker.log() for worker in workers), what="workers at work")
        self.servers[0].kill()
        self.servers[1].kill()
        job = self.api.enqueue(type="sleep", queue=self.queue, payload={"duration_ms": 0})
        wait_for(self.api, job, "succeeded")
        self.servers[0].start()
        self.servers[1].start()
        wait_until(lambda: all(self.is_home(worker) for worker in workers), what="workers that are back")

    def is_home(self, worker):
        """The first server that it missed is the one it began with."""
        lines = [json.loads(line) for line in worker.log().splitlines() if '"breaker ' in line]
        return not lines or [line["msg"] for line in lines if line["server"] == lines[0]["server"]][-1].startswith("breaker closed")


class Restarted(FreshServerCase):
    """Two servers, on SQLite each with a store of its own: whatever is taken is in one of them, and once."""

    def producer(self, urls):
        process = subprocess.Popen(command(urls, "enqueue", "--ndjson", "-"), env=environment(), stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        return process

    def test_a_client_sees_no_failure_while_one_server_after_the_other_is_restarted(self):
        servers = [self.fresh_server("--log-level", "warn") for _ in range(2)]
        urls = [server.url for server in servers]
        producers = [self.producer(urls), self.producer(urls[::-1])]
        lines = json.dumps({"type": "t", "queue": self.queue}) + "\n\n"  # with a line between them each is a request of its own
        for turn in range(TURNS):
            for producer in producers:
                producer.stdin.write(lines * EACH)
                producer.stdin.flush()
            servers[turn % 2].stop()
            servers[turn % 2].restart_at_same_port()
        for producer in producers:
            producer.stdin.close()
            self.assertEqual(0, producer.wait(120), producer.stderr.read())
        stores = {(server.db, *server.db_options): server for server in servers}
        total = sum(self.client_of(server).queue(self.queue)["counts"]["queued"] for server in stores.values())
        self.assertEqual(len(producers) * TURNS * EACH, total)


if __name__ == "__main__":
    unittest.main()
