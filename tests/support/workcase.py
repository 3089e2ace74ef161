# SPDX-License-Identifier: MIT
"""Tests with real workers: a server, a local service, a folder, and workers that are ended and looked at."""
import shutil

from harness import FreshServerCase, ServerCase, Worker, fresh_folder
from service import Service
from shape import TERMINAL
from waiting import wait_until


class _Workers:
    """What both kinds of test have. Workers are ended by SIGTERM when the test is over, and must end with 0."""

    def set_up_work(self):
        self.folder = fresh_folder()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.service = Service()
        self.addCleanup(self.service.close)

    def new_worker(self, *arguments, server, queue=None, **options):
        worker = Worker(self.folder, "--queue", queue or self.queue, "--http-allow-private", *arguments, server=server, **options)
        self.addCleanup(self.end_worker, worker)
        return worker

    def end_worker(self, worker):
        if worker.program.is_running():
            self.service.let_go(1000)
            worker.stop()
        else:
            worker.program.assert_clean()


def wait_for(api, job, *states, timeout=60):
    """The job with its attempts, once it is in one of these states (once it has ended, where none is named)."""
    states = states or TERMINAL
    return wait_until(lambda: (found := api.job(job["id"]))["state"] in states and found, timeout, f"{states} of job {job['id']}")


class WorkCase(ServerCase, _Workers):
    def setUp(self):
        super().setUp()
        self.set_up_work()

    def worker(self, *arguments, **options):
        return self.new_worker(*arguments, server=options.pop("server", self.server.url), **options)

    def sleep_job(self, duration_ms, **fields):
        return self.enqueue(type="sleep", payload={"duration_ms": duration_ms}, **fields)

    def http_job(self, path, fields=None, **payload):
        url = self.service.url + path if path.startswith("/") else path
        return self.enqueue(type="http", payload={"url": url, **payload}, **(fields or {}))

    def wait_for(self, job, *states, timeout=60):
        return wait_for(self.api, job, *states, timeout=timeout)

    def count(self, state):
        return self.api.queue(self.queue)["counts"].get(state, 0)


class FreshWorkCase(FreshServerCase, _Workers):
    def setUp(self):
        super().setUp()
        self.set_up_work()

    def worker_of(self, server, *arguments, **options):
        urls = [one.url for one in server] if isinstance(server, (list, tuple)) else server.url
        return self.new_worker(*arguments, server=urls, **options)
