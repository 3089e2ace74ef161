# SPDX-License-Identifier: MIT
"""Runs a file of the API's tests over TLS: the same tests, the same checks, another way to the server.

    tls_runner.py MODE [--long-only] FILE

open    the server has a certificate, the API is open
mutual  and asks clients for theirs, the API is open behind it
token   a certificate, and tokens: the tests send an admin's
named   client certificates that count as the token of their name
"""
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

from certificates import Authority
from tokens import Tokens

HERE = pathlib.Path(__file__).resolve().parent


def settings(mode, folder):
    authority = Authority(folder)
    flags, found = authority.issue("server").flags(), {"TASKQ_TEST_CA": str(authority.cert)}
    if mode in ("mutual", "named"):
        client = authority.issue("tester")
        found |= {"TASKQ_TEST_CERT": str(client.cert), "TASKQ_TEST_KEY": str(client.key)}
        flags += ["--tls-client-ca", authority.cert]
    if mode in ("token", "named"):
        tokens = Tokens(folder)
        secret = tokens.create("admin", "tester")
        flags += ["--tokens", tokens.path]
        if mode == "token":
            found["TASKQ_TEST_TOKEN"] = secret
    found["TASKQ_TEST_SERVER_ARGS"] = shlex.join(map(str, flags))
    return found


def main():
    mode, *more, file = sys.argv[1:]
    if "--long-only" in more and not os.environ.get("TASKQ_LONG"):
        print("TAP version 13\n1..0 # SKIP with --long")
        return 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="taskq-tls-"))
    try:
        return subprocess.run([sys.executable, HERE / "tap_runner.py", file], env={**os.environ, **settings(mode, folder)},
                              check=False).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
