# SPDX-License-Identifier: MIT
"""Several servers of one store, to be killed and started again one by one.

A store that many servers may use (TASKQ_TEST_DB) gets so many. SQLite takes one: then each of the several is a door in front of it, which
is shut with everything that goes through it, as a dead machine would shut it.
"""
import os
from urllib.parse import urlsplit

from harness import Server
from proxy import Proxy


class _Door:
    def __init__(self, server):
        parts = urlsplit(server.url)
        self.proxy = Proxy(parts.hostname, parts.port)
        self.url = f"{parts.scheme}://{parts.hostname}:{self.proxy.port}"

    def kill(self):
        self.proxy.deaf = True
        self.proxy.cut()

    def start(self):
        self.proxy.deaf = False


class _One(Server):
    def kill(self):
        self.program.kill()

    def start(self):
        self.listen = self.url.rpartition("/")[2] if self.url else self.listen
        return super().start()


def several(case, count, *arguments):
    """A client of the store that nobody kills, and the servers: each has url, kill() and start(), and real ones stop()."""
    first = case.fresh_server(*arguments)
    if "TASKQ_TEST_DB" not in os.environ:
        doors = [_Door(first) for _ in range(count)]
        for door in doors:
            case.addCleanup(door.proxy.close)
        return case.client_of(first), doors
    servers = [_One(*arguments) for _ in range(count)]
    for server in servers:
        case.addCleanup(server.discard)
        server.db, server.db_options = first.db, first.db_options
        server.start()
    return case.client_of(first), servers
