#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs unittest files and prints TAP, one line a test, as each test ends.

    tap_runner.py FILE.py [NAME ...] [--without CLASS[.TEST]=REASON ...]

A NAME (a part of a test's id) runs only the tests that contain it. What is left out is said and not counted, and must be there. Whatever the tests themselves print goes
to standard error, so that standard output holds TAP alone.
"""
import importlib.util
import os
import pathlib
import sys
import time
import traceback
import unittest


class TapResult(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out
        self.number = 0
        self.failed_count = 0
        self.started = 0.0
        self.subtest_failures = []

    def line(self, good, test, directive="", detail=""):
        self.number += 1
        self.failed_count += 0 if good else 1
        name = getattr(test, "_testMethodName", str(test)).replace("#", "")
        group = type(test).__name__
        words = f"{'ok' if good else 'not ok'} {self.number} - {group}: {name}"
        print(words + (f" # {directive}" if directive else ""), file=self.out)
        for text in detail.rstrip().splitlines():
            print(f"# {text}", file=self.out)
        if not good:
            print(f"{words}\n{detail}", file=sys.stderr)
        self.out.flush()

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        self.subtest_failures = []

    def addSuccess(self, test):
        if not self.subtest_failures:
            self.line(True, test, detail=f"{time.monotonic() - self.started:.3f} s")

    def addError(self, test, err):
        self.line(False, test, detail="".join(traceback.format_exception(*err)))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.subtest_failures.append(f"{subtest}\n" + "".join(traceback.format_exception(*err)))

    def stopTest(self, test):
        if self.subtest_failures:
            self.line(False, test, detail="\n".join(self.subtest_failures))
        super().stopTest(test)

    def addSkip(self, test, reason):
        self.line(True, test, f"SKIP {reason}")

    def addExpectedFailure(self, test, err):
        self.line(True, test)

    def addUnexpectedSuccess(self, test):
        self.line(False, test, detail="expected to fail, but passed")


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load(path):
    sys.path.insert(0, str(path.parent))
    sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def leave_out(tests, listed, out):
    """The tests without those that are listed, as CLASS or as CLASS.TEST."""
    kept, found = [], set()
    for test in flatten(tests):
        names = {type(test).__name__, f"{type(test).__name__}.{test._testMethodName}"}
        found |= names & listed.keys()
        if not names & listed.keys():
            kept.append(test)
    for name in sorted(listed):
        print(f"# left out: {name}: {listed[name]}", file=out)
    if listed.keys() - found:
        raise SystemExit(f"no test is called {sorted(listed.keys() - found)}")
    return unittest.TestSuite(kept)


def main():
    # The TAP goes to a copy of standard output; file descriptor 1 becomes standard error, for children too.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    path = pathlib.Path(sys.argv[1]).resolve()
    print("TAP version 13", file=out, flush=True)
    words = sys.argv[2:]
    at = words.index("--without") if "--without" in words else len(words)
    names = words[:at]
    tests = leave_out(load(path), dict(pair.split("=", 1) for pair in words[at + 1:]), out)
    if names:
        picked = [t for t in flatten(tests) if any(name in t.id() for name in names)]
        tests = unittest.TestSuite(picked)
    result = TapResult(out)
    tests.run(result)
    print(f"1..{result.number}", file=out, flush=True)
    return 1 if result.failed_count or result.number == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
