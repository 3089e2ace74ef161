# SPDX-License-Identifier: MIT
"""Three servers over one PostgreSQL, of which each is killed or restarted while the others go on."""
import http.client
import json
import signal
import threading
import unittest

from fronts import HAProxy
from harness import Worker
from program import run
from runs import LONG, ClusterCase, seconds
from waiting import wait_until


class ServersKilled(ClusterCase):
    def test_servers_killed_one_after_the_other_break_no_rule(self):
        servers = self.start_cluster()
        load = self.load()

        def kill(count):
            server = servers[count % 3]
            server.kill()
            server.start()

        with self.repeatedly(kill, every=seconds(0.8, 3.0)):
            self.run_for(seconds(4, 180))
        check = self.assert_served(load.end())
        self.assertGreater(check.evidence.total["unknown"], 0)

    @unittest.skipUnless(LONG, "takes its time")
    def test_all_servers_killed_at_once_break_no_rule(self):
        servers = self.start_cluster()
        load = self.load()

        def kill(_):
            for server in servers:
                server.kill()
            for server in servers:
                server.start()

        with self.repeatedly(kill, every=seconds(1.5, 4.0)):
            self.run_for(seconds(4, 120))
        check = self.assert_served(load.end())
        self.assertGreater(check.evidence.total["unknown"], 0)


class ServersFrozen(ClusterCase):
    """As on a machine that is suspended: for longer than a lease, and the others go on."""

    def test_servers_that_freeze_in_the_midst_of_it_break_no_rule(self):
        servers, load = self.start_cluster(), self.load()

        def freeze(count):
            program = servers[count % 3].program
            program.send_signal(signal.SIGSTOP)
            self.run_for(seconds(1.3, 15.0))
            program.send_signal(signal.SIGCONT)

        with self.repeatedly(freeze, every=0.1):
            self.run_for(seconds(3, 180))
        self.assert_served(load.end())


class Producer(threading.Thread):
    """The command line client, again and again; `failed` is what it said where it did not succeed."""

    def __init__(self, urls, queue):
        super().__init__(daemon=True)
        self.arguments = [word for url in urls for word in ("--server", url)]
        self.queue, self.stop, self.made, self.failed = queue, threading.Event(), 0, []

    def run(self):
        while not self.stop.is_set():
            done = run("TASKQ_CLI", "enqueue", "sleep", '{"duration_ms":5}', "--queue", self.queue, *self.arguments)
            if done.returncode != 0:
                self.failed.append(done.stderr)
            self.made += 1

    def end(self):
        self.stop.set()
        self.join(60)
        return self.failed


class ServersRestarted(ClusterCase):
    """With SIGTERM, one after the other, each up again before the next one goes."""

    def restart_each(self, rounds):
        for _ in range(rounds):
            for server in self.servers:
                server.stop()
                server.start()
                self.wait_until_ready()

    def check_work(self, urls, rounds):
        """A load, our client and our worker see no failed request; every job is done, at its first attempt."""
        queue = self.queue + "-work"
        workers = [Worker(self.folder, "--queue", queue, "--poll-interval", "500ms", "--log-format", "json", server=urls) for _ in (1, 2)]
        for worker in workers:
            self.addCleanup(worker.kill)
        producer = Producer(urls, queue)
        producer.start()
        load = self.load(urls)
        self.restart_each(rounds)
        self.assertEqual(load.end()["failed"], 0)
        self.assertEqual(producer.end(), [])
        self.assertGreater(producer.made, 10)
        api = self.servers[0].client()
        wait_until(lambda: api.queue(queue)["counts"].get("succeeded") == producer.made, what="every job done")
        self.assertEqual({job["attempt"] for job in api.all_jobs(queue=queue, limit=1000)}, {1})
        api.close()
        for worker in workers:
            worker.stop()
            said = [json.loads(line) for line in worker.log().splitlines() if line.startswith("{")]
            # That one cannot be connected to is no failed request: nothing was asked of it.
            failed = [line for line in said if line["level"] in ("warn", "error") and "connect to" not in line.get("error", "")]
            self.assertEqual(failed, [])
        self.prove(urls)

    def test_with_all_of_them_named_no_request_fails(self):
        self.start_cluster()
        self.check_work(self.urls(), seconds(1, 20))

    def test_behind_haproxy_no_request_fails(self):
        self.start_cluster(arguments=("--drain", "1s"))
        front = HAProxy(self.folder, self.urls())
        self.addCleanup(front.close)
        wait_until(lambda: self.answers(front), what="a server behind HAProxy")
        self.check_work([front.url], seconds(1, 20))

    def answers(self, front):
        connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=5)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
        connection.close()
        return status == 200


if __name__ == "__main__":
    unittest.main()
