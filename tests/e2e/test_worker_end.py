# SPDX-License-Identifier: MIT
"""How a worker ends, and what it does when a server is out of reach; its flags."""
import contextlib
import random
import re
import signal
import threading
import time
import unittest

from harness import EXTERNAL_URL
from program import run
from waiting import wait_until
from workcase import FreshWorkCase, WorkCase, wait_for


class TheEnd(WorkCase):
    def test_at_sigterm_what_runs_is_finished_and_nothing_new_begun(self):
        worker = self.worker("--concurrency", 2)
        jobs = [self.http_job("/hold/x", timeout_ms=120000) for _ in range(4)]
        wait_until(lambda: self.service.running == 2)
        worker.send_signal(signal.SIGTERM)
        self.service.let_go(4)
        self.assertEqual(worker.program.wait(), 0)
        shown = [self.api.job(job["id"]) for job in jobs]
        self.assertEqual([job["state"] for job in shown], ["succeeded", "succeeded", "queued", "queued"])
        self.assertEqual([job["version"] for job in shown], [3, 3, 1, 1])

    def test_what_is_not_finished_in_time_is_released(self):
        worker = self.worker("--concurrency", 2, "--shutdown-timeout", "500ms")
        jobs = [self.sleep_job(3600000) for _ in range(2)]
        for job in jobs:
            self.wait_for(job, "running")
        worker.stop()
        for job in jobs:
            shown = self.api.job(job["id"])
            self.assertEqual((shown["state"], shown["attempt"]), ("queued", 0))
            self.assertEqual([one["outcome"] for one in shown["attempts"]], ["released"])

    def test_a_second_signal_ends_it_at_once(self):
        worker = self.worker("--shutdown-timeout", "1h")
        job = self.sleep_job(3600000)
        self.wait_for(job, "running")
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: self.is_out_of_polls(worker))
        worker.send_signal(signal.SIGTERM)
        worker.program.wait(30)

    def is_out_of_polls(self, worker):
        """The first signal has been taken: a job that it would do at once is left alone."""
        probe = self.sleep_job(0)
        try:
            self.wait_for(probe, "succeeded", timeout=1)
            return False
        except AssertionError:
            self.api.cancel(probe["id"])
            return worker.program.is_running()

    def test_an_idle_worker_ends_promptly(self):
        worker = self.worker("--poll-interval", "60s")
        self.wait_for(self.sleep_job(0), "succeeded")
        worker.stop(timeout=20)

    def test_whenever_it_is_stopped_it_leaves_nothing_leased(self):
        chance = random.Random(7)
        with self.feeding() as ids:
            for _ in range(30):
                worker = self.worker("--concurrency", 4, "--poll-interval", "60s")
                wait_until(lambda: self.jobs_of(worker))
                time.sleep(chance.uniform(0, 0.05))  # not to wait for anything: the stop is to come at any moment
                worker.stop()
                self.assertEqual(self.jobs_of(worker, state="running"), [])
        for job in map(self.api.job, ids):
            released = [one for one in job["attempts"] if one["outcome"] == "released"]
            self.assertEqual(job["attempt"], len(job["attempts"]) - len(released), job)
            self.assertLessEqual({one["outcome"] for one in job["attempts"]}, {"succeeded", "released"}, job)

    @contextlib.contextmanager
    def feeding(self):
        """Somebody enqueues a job of no length every few milliseconds."""
        ids, over, api = [], threading.Event(), self.new_client()

        def feed():
            chance = random.Random(11)
            while not over.wait(chance.uniform(0.003, 0.01)):
                ids.append(api.enqueue(queue=self.queue, type="sleep", payload={"duration_ms": 0})["id"])

        thread = threading.Thread(target=feed)
        thread.start()
        try:
            yield ids
        finally:
            over.set()
            thread.join()

    def jobs_of(self, worker, **filters):
        return list(self.api.all_jobs(worker=worker.id, queue=self.queue, **filters))


class Servers(FreshWorkCase):
    def test_with_its_first_server_out_of_reach_it_works_for_the_second(self):
        server = self.fresh_server()
        worker = self.new_worker(server=["http://127.0.0.1:1", server.url])
        api = self.client_of(server)
        for _ in range(3):
            job = api.enqueue(type="sleep", queue=self.queue, payload={"duration_ms": 1})
            self.assertEqual(wait_for(api, job)["worker"], worker.id)

    def begun_with(self, servers):
        """The server that holds the worker's poll, and the other one: it begins with either."""
        apis = [self.client_of(server) for server in servers]
        held = wait_until(lambda: [server for server, api in zip(servers, apis) if api.get("/stats").json["held_polls"]])
        return held[0], servers[1 - servers.index(held[0])]

    def test_when_its_server_dies_it_goes_to_the_other_and_back(self):
        servers = [self.fresh_server(), self.fresh_server()]
        self.worker_of(servers, "--poll-interval", "60s")
        first, second = self.begun_with(servers)
        body = {"type": "sleep", "queue": self.queue, "payload": {"duration_ms": 1}}
        apis = [self.client_of(server) for server in (first, second)]
        wait_for(apis[0], apis[0].enqueue(**body), "succeeded")
        first.kill()
        wait_for(apis[1], apis[1].enqueue(**body), "succeeded")
        second.kill()
        first.restart_at_same_port()
        api = self.client_of(first)
        wait_for(api, api.enqueue(**body), "succeeded")

    def test_a_worker_started_before_its_server_begins_when_it_comes(self):
        server = self.fresh_server()
        server.stop()
        worker = self.new_worker(server=server.url)
        wait_until(lambda: worker.log() != "", what="a word that the server is out of reach")
        server.restart_at_same_port()
        api = self.client_of(server)
        wait_for(api, api.enqueue(type="sleep", queue=self.queue, payload={"duration_ms": 1}), "succeeded")


class Flags(unittest.TestCase):
    def test_help_and_version(self):
        done = run("TASKQ_WORKER", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for flag in ("--server", "--queue", "--concurrency", "--poll-interval", "--id", "--token-file", "--ca-file", "--file-root",
                     "--http-allow-private", "--shutdown-timeout"):
            self.assertIn(flag, done.stdout)
        done = run("TASKQ_WORKER", "--version")
        self.assertEqual(done.returncode, 0)
        self.assertIsNotNone(re.search(r"\d+\.\d+\.\d+", done.stdout))

    def test_wrong_use_is_2_and_says_what_is_wrong(self):
        for arguments in (["--nope"], ["extra"], ["--concurrency", "0"], ["--concurrency", "x"], ["--concurrency", "1001"], ["--poll-interval", "2"],
                          ["--poll-interval", "2h"], ["--server", "nonsense"], ["--server", "ftp://127.0.0.1"], ["--queue", "a b"], ["--id", "a b"],
                          ["--shutdown-timeout", "x"], ["--server"]):
            with self.subTest(arguments=arguments):
                done = run("TASKQ_WORKER", *arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertNotEqual(done.stderr, "")

    def test_a_file_root_that_is_none_is_refused(self):
        done = run("TASKQ_WORKER", "--file-root", "/nonexistent/root")
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("/nonexistent/root", done.stderr)


if EXTERNAL_URL:
    del Flags


if __name__ == "__main__":
    unittest.main()
