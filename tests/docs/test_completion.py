# SPDX-License-Identifier: MIT
"""The completions, each asked of the shell that it is for."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest

import asked

SECONDS = 60


class Bash:
    """Asks the function that `complete -F` was given, as bash does it: the line cut into words, also at '='."""

    def __init__(self, case):
        self.folder = case.folder

    def complete(self, line, cuts="= "):
        words = [word for word in re.split(f"([{cuts}])", line) if word not in ("", " ")] + ([""] if line[-1] == " " else [])
        script = """
            source "$1/$2"; shift
            program=$1; shift
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            $(complete -p "$program" | sed 's/.*-F \\([^ ]*\\) .*/\\1/') "$program" "${COMP_WORDS[COMP_CWORD]}" ""
            printf '%s\\n' "${COMPREPLY[@]}"
        """
        done = subprocess.run(["bash", "--norc", "--noprofile", "-c", script, "bash", str(asked.MADE), words[0], *words],
                              capture_output=True, text=True, cwd=self.folder, timeout=SECONDS)
        if done.stderr:
            raise AssertionError(done.stderr)
        return {line for line in done.stdout.splitlines() if line}


class Fish:
    """Finds the completion by itself, as for any program in its PATH."""

    def __init__(self, case):
        self.folder = case.folder
        programs = [str(pathlib.Path(os.environ[variable]).parent) for variable in asked.PROGRAMS.values()]
        self.path = os.pathsep.join([*programs, os.environ["PATH"]])

    def complete(self, line):
        script = f"set fish_complete_path {asked.MADE} $fish_complete_path; complete -C $argv[1]"
        done = subprocess.run(["fish", "--no-config", "-c", script, line], capture_output=True, text=True, cwd=self.folder,
                              env={**os.environ, "HOME": str(self.folder), "PATH": self.path}, timeout=SECONDS)
        if done.stderr:
            raise AssertionError(done.stderr)
        # "--output=json" comes whole, and is known by its value here as in the other shells.
        return {re.sub(r"^--[\w-]+=(?=.)", "", text.split("\t")[0]) for text in done.stdout.splitlines()}


class Zsh:
    """A zsh at a terminal, its completion widget made to print what would be offered."""

    START = """
        PS1= PS2= RPS1=
        fpath=({made} $fpath)
        autoload -Uz compinit && compinit -D -u
        typeset -ga offered
        compadd() {{
            if [[ ${{@[1,(i)(-|--)]}} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
            local -a fitting
            builtin compadd -A fitting "$@"
            offered+=($fitting)
            builtin compadd "$@"
        }}
        offer() {{ offered=(); _main_complete; print -rn -- "<<<${{(F)offered}}>>>"; compstate[insert]= compstate[list]=; }}
        zle -C offer complete-word offer
        bindkey '^I' offer
        print -rn -- "<<<ready>>>"
    """

    def __init__(self, case):
        home = pathlib.Path(tempfile.mkdtemp(dir=case.folder))
        (home / ".zshrc").write_text(self.START.format(made=asked.MADE))
        main, other = pty.openpty()
        self.shell = subprocess.Popen(["zsh", "-o", "no_global_rcs", "-i"], stdin=other, stdout=other, stderr=other, cwd=case.folder,
                                      env={"PATH": os.environ["PATH"], "HOME": str(home), "ZDOTDIR": str(home), "TERM": "dumb",
                                           "LC_ALL": "C.UTF-8"}, start_new_session=True)
        os.close(other)
        self.terminal = main
        case.addClassCleanup(self.end)
        self.answer()

    def end(self):
        self.shell.kill()
        self.shell.wait()
        os.close(self.terminal)

    def answer(self):
        seen, until = b"", time.monotonic() + SECONDS
        while b">>>" not in seen:
            ready = select.select([self.terminal], [], [], max(0, until - time.monotonic()))[0]
            if not ready:
                raise AssertionError(f"zsh says nothing more after {seen[-500:]!r}")
            seen += os.read(self.terminal, 65536)
        return seen.split(b"<<<")[-1].split(b">>>")[0].decode().replace("\r", "")

    def complete(self, line):
        os.write(self.terminal, b"\x15" + line.encode() + b"\t")
        return {text.rstrip("=") if text.startswith("--") else text.rstrip("/ ") for text in self.answer().split("\n") if text}


class Completion:
    """What holds in every shell."""

    SHELL = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which(cls.SHELL.__name__.lower()):
            raise unittest.SkipTest("this shell is not installed")
        folder = tempfile.TemporaryDirectory(prefix="taskq-docs-", ignore_cleanup_errors=True)
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        (cls.folder / "jobs.jsonl").touch()
        (cls.folder / "journal").mkdir()
        cls.shell = cls.SHELL(cls)

    def test_every_option_of_help_is_offered(self):
        for program, command, options in asked.every():
            line = f"{program} {command} --" if command else f"{program} --"
            self.assertEqual(options, self.shell.complete(line), line)

    def test_every_subcommand_is_offered(self):
        offered = {word for word in self.shell.complete("taskq ") if not word.startswith("-")}
        self.assertEqual(set(asked.commands()), offered)

    def test_an_option_that_takes_words_offers_them(self):
        self.assertEqual({"json", "jsonl"}, self.shell.complete("taskq list --output js"))
        self.assertEqual({"json", "jsonl"}, self.shell.complete("taskq list --output=js"))
        self.assertEqual({"full", "relaxed"}, self.shell.complete("taskq-server --durability "))
        self.assertEqual({"full", "relaxed"}, self.shell.complete("taskq-server --durability="))

    def test_a_short_option_offers_the_same_words(self):
        self.assertEqual({"table", "json", "jsonl", "id"}, self.shell.complete("taskq list -o "))

    def test_an_argument_that_is_one_of_some_words_offers_them(self):
        self.assertEqual({"retry"}, self.shell.complete("taskq bulk re"))
        self.assertEqual({"revoke", "rotate"}, self.shell.complete("taskq token r"))

    def test_a_file_is_completed_where_a_file_is_wanted(self):
        self.assertEqual({"jobs.jsonl", "journal"},
                         {name.rstrip("/") for name in self.shell.complete("taskq enqueue --ndjson jo")})

    def test_a_directory_is_completed_where_one_is_wanted(self):
        self.assertEqual({"journal"}, {name.rstrip("/") for name in self.shell.complete("taskq-worker --file-root jo")})

    def test_a_value_that_nobody_knows_offers_nothing(self):
        self.assertEqual(set(), self.shell.complete("taskq-worker --queue j"))


class BashCompletion(Completion, unittest.TestCase):
    SHELL = Bash


class FishCompletion(Completion, unittest.TestCase):
    SHELL = Fish


class ZshCompletion(Completion, unittest.TestCase):
    SHELL = Zsh


if __name__ == "__main__":
    unittest.main()
