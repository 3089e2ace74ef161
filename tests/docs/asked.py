# SPDX-License-Identifier: MIT
"""What the programs themselves say that they can be told: the measure for pages and completions."""
import functools
import os
import pathlib
import re

from program import run

MADE = pathlib.Path(os.environ.get("TASKQ_MAN_DIR", "build/apps/man"))
PROGRAMS = {"taskq": "TASKQ_CLI", "taskq-server": "TASKQ_SERVER", "taskq-worker": "TASKQ_WORKER"}


@functools.cache
def help_of(program, command=None):
    return run(PROGRAMS[program], *([command] if command else []), "--help").stdout


def commands():
    listed = help_of("taskq").split("Commands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE)


def options(program, command=None):
    """Every --option that --help lists."""
    return set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", help_of(program, command), re.MULTILINE))


def every():
    """(program, subcommand or None, its options), for all that can be completed."""
    for program in PROGRAMS:
        for command in commands() if program == "taskq" else [None]:
            yield program, command, options(program, command)
