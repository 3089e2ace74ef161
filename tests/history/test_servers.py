# SPDX-License-Identifier: MIT
"""Three servers over one PostgreSQL, of which each is killed or restarted while the others go on."""
import http.client
import json
import pathlib
import re
import signal
import threading
import unittest
import urllib.parse

from fronts import HAPROXY, HAProxy
from harness import Worker
from program import run
from runs import LONG, ClusterCase, seconds
from waiting import wait_until

# A line of HAProxy's log of which the server was at fault, or that was sent to another one.
FAILED = re.compile(r" - - (?:[sS]\S{3} |\S{4} \d+/\d+/\d+/\d+/\+?[1-9])")


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
        self.start_cluster(arguments=("--drain", "2s"))
        front = start_front(self)
        rounds = seconds(1, 20)
        self.check_work([front.url], rounds)
        turned_away = [line for line in front.log() if re.search(r"^Server \S+ is DOWN, .* code: 503", line)]
        self.assertEqual(len(turned_away), rounds * 3)
        self.assertEqual([line for line in front.log() if FAILED.search(line)], [])


def start_front(case):
    front = HAProxy(case.folder, case.urls())
    case.addCleanup(front.close)
    wait_until(lambda: fetch(front, "/readyz")[0] == 200, what="a server behind HAProxy")
    return front


def fetch(place, path):
    """Status, header fields and body of what is answered there, whatever it is."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(place.url).netloc, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


class WhatHAProxyAnswers(ClusterCase):
    """By itself, where no server does: in the form of all problems."""

    def setUp(self):
        super().setUp()
        self.start_cluster(count=1)
        self.front = start_front(self)

    def test_without_a_database_it_answers_as_the_server_does(self):
        self.postgres.kill()
        wait_until(lambda: any(" is DOWN" in line for line in self.front.log()), what="a server turned away")
        answers = []
        for place in (self.servers[0], self.front):
            status, headers, body = fetch(place, "/jobs")
            told = json.loads(body)
            answers.append([status, [headers[name] for name in ("Content-Type", "Retry-After", "Cache-Control")],
                            list(told), told["type"], told["title"], told["status"]])
        self.assertNotIn("X-Request-Id", headers)  # it is not the server's
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(status, 503)

    def test_it_says_that_it_may_have_happened_where_a_server_died_over_a_request(self):
        held = []
        poll = threading.Thread(target=lambda: held.append(fetch(self.front, f"/next-job?queue={self.queue}&wait=50")))
        poll.start()
        api = self.servers[0].client()
        self.addCleanup(api.close)
        wait_until(lambda: api.get("/stats").json["held_polls"], what="a held poll")
        self.servers[0].kill()
        poll.join(60)
        status, headers, body = held[0]
        self.assertEqual((status, headers["Content-Type"]), (502, "application/problem+json"))
        self.assertIn("it may have happened", json.loads(body)["detail"])


class WhatHAProxyIsTold(unittest.TestCase):
    def test_each_answer_of_its_own_has_a_title_that_the_server_has(self):
        source = (pathlib.Path(__file__).resolve().parents[2] / "lib/server/problem.c").read_text(encoding="utf-8")
        titles = dict(re.findall(r'\{"([\w-]+)", "([^"]+)", \d+\}', source))
        answers = re.findall(r"http-error status (\d+) (.*) string '(.*)'\n", HAPROXY.read_text(encoding="utf-8"))
        self.assertEqual([status for status, *_ in answers], ["503", "502", "504", "400", "408"])
        for status, fields, body in answers:
            told = json.loads(body)
            self.assertEqual((told["status"], told["title"]), (int(status), titles[told["type"].removeprefix("urn:taskq:problem:")]))
            self.assertEqual("hdr Retry-After 1" in fields, status >= "500")


if __name__ == "__main__":
    unittest.main()
