# SPDX-License-Identifier: MIT
"""Runs a file of the tests over PostgreSQL: the same tests, the same checks, another store, and more servers.

    store_runner.py MODE [--long-only] FILE [NAME ...]

postgres   each server has a schema of its own in one PostgreSQL
balanced   where the tests start a server, three start over one schema, and HAProxy before them

What is not run there is listed below, each with its reason, and nothing else is left out.
"""
import os
import pathlib
import subprocess
import sys
import unittest

from postgres import Postgres

HERE = pathlib.Path(__file__).resolve().parent
SERVERS = "3"
WHOLE = "*"
BYTES = "HAProxy reads what comes from a client: what taskq-server would say to such bytes it is never asked"
PROCESS = "about one process: its flags, signals, log, descriptors"
ONE_OF_THREE = "asks /stats, which is one server's, for a number of all"
LEFT_OUT = {
    "postgres": {
        "test_program.py": {"TheStore": "about a store that is a file: its lock, its names, its copies, its durability"},
        "test_service.py": {"AStoreThatBlocks": "locks the store's file",
                            "Health.test_a_server_whose_store_takes_nothing_is_not_well": "takes the store's file away"},
    },
    "balanced": {
        "test_malformed.py": {WHOLE: BYTES},
        "test_program.py": {WHOLE: PROCESS},
        "test_scarce.py": {WHOLE: PROCESS},
        "test_drain.py": {WHOLE: "about the connections of one server that ends; here three end at once"},
        "test_http.py": {"Bodies.test_a_body_announced_too_large_is_refused_before_it_comes": BYTES,
                         "TwoListeners": "about one process that listens twice"},
        "test_walk.py": {"TheWalk.test_bad_requests_get_a_problem_or_a_close": BYTES,
                         "TheEnd.test_it_ends_clean_with_polls_held_and_jobs_coming_in": ONE_OF_THREE},
        "test_poll.py": {"TheEnd.test_held_polls_are_answered_204_at_sigterm": ONE_OF_THREE},
        "test_concurrency.py": {"Crowded": "fills one server's connections; HAProxy goes to another one"},
    },
}


def left_out(mode, name):
    """Which tests of a file, and why."""
    listed = dict(LEFT_OUT["postgres"].get(name, {}))
    if mode == "balanced":
        listed |= LEFT_OUT["balanced"].get(name, {})
    return listed


def main():
    mode, *words = sys.argv[1:]
    if "--long-only" in words and not os.environ.get("TASKQ_LONG"):
        print("TAP version 13\n1..0 # SKIP with --long")
        return 0
    file, *names = [word for word in words if word != "--long-only"]
    listed = left_out(mode, pathlib.Path(file).name)
    if WHOLE in listed:
        print(f"TAP version 13\n1..0 # SKIP {listed[WHOLE]}")
        return 0
    try:
        server = Postgres().start()
    except unittest.SkipTest as reason:
        print(f"TAP version 13\n1..0 # SKIP {reason}")
        return 0
    with server:
        settings = {"TASKQ_TEST_DB": server.url() + " --db-schema {name}"}
        if mode == "balanced":
            settings["TASKQ_TEST_BEHIND"] = SERVERS
        command = [sys.executable, HERE / "tap_runner.py", file, *names]
        if listed:
            command += ["--without", *(f"{test}={reason}" for test, reason in listed.items())]
        return subprocess.run(command, env={**os.environ, **settings}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
