# SPDX-License-Identifier: MIT
"""A file of tokens, made as an operator makes it: with taskq token."""
import pathlib

from program import run

FORM = r"tq_[vpwa]_[0-9a-f]{64}_[0-9a-f]{8}"


class Tokens:
    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "tokens"

    def run(self, command, *arguments):
        return run("TASKQ_CLI", "token", command, "--tokens", self.path, *arguments)

    def done(self, command, *arguments):
        done = self.run(command, *arguments)
        assert done.returncode == 0, f"taskq token {command} {arguments}: {done.returncode}\n{done.stderr}"
        return done.stdout.strip()

    def create(self, role, name=None, *arguments):
        return self.done("create", "--role", role, "--name", name or role, *arguments)

    def revoke(self, name, *arguments):
        return self.done("revoke", "--name", name, *arguments)

    def rotate(self, name, *arguments):
        return self.done("rotate", "--name", name, *arguments)
