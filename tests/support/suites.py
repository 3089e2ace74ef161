#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What ./dev test runs: four builds, their suites two at a time, and one line that sums it all up.

    suites.py [--long] [BUILD[:SUITE] ...]      gcc, clang, asan:unit, ... runs only these

Every build and suite keeps its log under build-test/logs/. What counts is each test that a suite's TAP
names; a build that fails, a program that crashes or hangs, and a plan that does not match count as failures.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build-test"
LOGS = WORK / "logs"
SANITIZED = ["--buildtype=debugoptimized", "-Doptimization=1", "-Db_lundef=false", "-Dexamples=false", "-Dbench=false"]
BUILDS = {
    "gcc": ("gcc", ["--buildtype=release"],
            ["unit", "contract", "postgres", "scheduler", "worker", "host", "api", "tls", "stores", "e2e", "fault", "history", "security",
             "openapi", "examples", "bench",
             "docs", "lint", "install", "packages"]),
    "clang": ("clang", ["--buildtype=debugoptimized"], ["unit", "abi"]),
    "asan": ("clang", SANITIZED + ["-Db_sanitize=address,undefined"],
             ["unit", "contract", "postgres", "scheduler", "worker", "host", "walk"]),
    "tsan": ("clang", SANITIZED + ["-Db_sanitize=thread"], ["contract", "postgres", "scheduler", "worker"]),
}
# These measure delays: nothing runs beside them.
ALONE = {"worker", "api", "tls", "stores", "e2e", "fault", "history", "security", "examples", "bench", "walk"}

START = time.monotonic()
LOCK = threading.Lock()


def say(text):
    with LOCK:
        print(f"[{time.monotonic() - START:6.1f} s] {text}", flush=True)


class Outcome:
    def __init__(self, name, seconds=0.0):
        self.name, self.seconds = name, seconds
        self.passed = self.failed = self.skipped = 0


def follow(command, log, show, environment=None, folder=ROOT):
    """Runs a command, keeps its output in a log, hands every line to show(); returns the exit status."""
    with open(log, "a", encoding="utf-8") as kept:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        for line in process.stdout:
            kept.write(line)
            show(line.rstrip())
        return process.wait()


def tail(log, lines=40):
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    with LOCK:
        print("\n".join("    " + line for line in text), flush=True)


def build(name):
    compiler, options, _ = BUILDS[name]
    folder, log = WORK / name, LOGS / f"build-{name}.log"
    log.unlink(missing_ok=True)
    outcome, started, shown = Outcome(f"{name}: build"), time.monotonic(), [time.monotonic()]

    def show(line):
        if line.startswith("[") and time.monotonic() - shown[0] > 5:
            shown[0] = time.monotonic()
            say(f"{name}: build {line.split(']')[0]}]")

    say(f"{name}: build")
    setup = ["meson", "setup", str(folder), "-Dwerror=true", *options]
    if (folder / "build.ninja").exists():
        setup.insert(2, "--reconfigure")
    status = follow(setup, log, show, {**os.environ, "CC": compiler})
    if status == 0:
        status = follow(["ninja", "-C", str(folder)], log, show)
    outcome.seconds = time.monotonic() - started
    if status != 0:
        outcome.failed = 1
        say(f"{name}: build FAILED, {log.relative_to(ROOT)}")
        tail(log)
    return outcome


def suites_of(name):
    listed = subprocess.run(["meson", "introspect", "--tests", str(WORK / name)], check=True,
                            capture_output=True, text=True)
    return {suite.split(":")[-1] for test in json.loads(listed.stdout) for suite in test["suite"]}


def bring_tools(outcome):
    """What the suite openapi borrows, brought while the builds run: packages of Debian and npm."""
    log, started = LOGS / "tools.log", time.monotonic()
    log.unlink(missing_ok=True)
    if follow([str(ROOT / "dev"), "tools"], log, lambda line: None) != 0:
        outcome.failed = 1
        say(f"tools: FAILED, {log.relative_to(ROOT)}")
        tail(log)
    outcome.seconds = time.monotonic() - started


TAP_LINE = re.compile(r"^(ok|not ok)\b([^#]*)(#\s*(?:skip|todo)\b.*)?", re.IGNORECASE)


def count(outcome, test, report):
    """Adds one program's TAP to the outcome, and a failure more where its end does not fit what it printed."""
    seen = failed = 0
    plan = None
    for line in test["stdout"].splitlines():
        planned = re.match(r"^1\.\.(\d+)", line)
        if planned:
            plan = int(planned.group(1))
        match = TAP_LINE.match(line)
        if not match:
            continue
        seen += 1
        if match.group(3) and match.group(3).lstrip("# ").lower().startswith("skip"):
            outcome.skipped += 1
            report(f"skipped: {line}")
        elif match.group(1) == "ok":
            outcome.passed += 1
        else:
            failed += 1
            report(f"FAILED: {line}")
    if failed == 0 and (test["result"] not in ("OK", "SKIP") or plan != seen):
        failed = 1
        report(f"FAILED: {test['name']} ended with {test['result']} after {seen} of {plan} tests")
    outcome.failed += failed


def suite(name, which, longer):
    log, base = LOGS / f"{name}-{which}.log", f"suite-{which}"
    log.unlink(missing_ok=True)
    outcome, started = Outcome(f"{name}: {which}"), time.monotonic()
    environment = {**os.environ, **({"TASKQ_LONG": "1"} if longer else {})}

    def show(line):
        if re.match(r"^\s*\d+/\d+ ", line):
            say(f"{name}: {which} {' '.join(line.split())}")

    say(f"{name}: {which}")
    results = WORK / name / "meson-logs" / f"{base}.json"
    results.unlink(missing_ok=True)
    command = ["meson", "test", "-C", str(WORK / name), "--no-rebuild", "--suite", f"taskq:{which}",
               "--num-processes", "1", "--logbase", base, "--timeout-multiplier", "10" if longer else "1"]
    status = follow(command, log, show, environment)
    outcome.seconds = time.monotonic() - started
    tests = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    for test in tests:
        with open(log, "a", encoding="utf-8") as kept:
            kept.write(f"\n---- {test['name']}\n{test['stdout']}\n{test.get('stderr', '')}")
        count(outcome, test, lambda text: say(f"{name}: {which} {text}"))
    if status != 0 and outcome.failed == 0:
        outcome.failed = 1
        say(f"{name}: {which} FAILED: meson test ended with {status}")
    if outcome.failed:
        say(f"{name}: {which} log: {log.relative_to(ROOT)}")
        tail(log, 60)
    return outcome


def main():
    parser = argparse.ArgumentParser(prog="./dev test")
    parser.add_argument("--long", action="store_true", help="the tests that take their time, too")
    parser.add_argument("only", nargs="*", metavar="BUILD[:SUITE]")
    arguments = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    asked = [text.split(":") for text in arguments.only]
    if any(words[0] not in BUILDS for words in asked):
        parser.error(f"builds are {', '.join(BUILDS)}")

    outcomes, together, alone = [], [], []
    os.environ["TASKQ_TEST_COMPLETE"] = "1"  # a test that needs PostgreSQL and finds none fails, where it would be skipped
    tools = threading.Thread(target=lambda: bring_tools(outcomes[0]))
    if not asked or ["gcc"] in asked or ["gcc", "openapi"] in asked:
        outcomes.append(Outcome("openapi: tools"))
        os.environ["TASKQ_TOOLS"] = "1"  # without them its tests fail, where they would be skipped
        tools.start()
    for name, (_, _, suites) in BUILDS.items():
        if asked and name not in [words[0] for words in asked]:
            continue
        outcomes.append(build(name))
        if outcomes[-1].failed:
            continue
        present = suites_of(name)
        for forgotten in sorted(present - {which for _, _, listed in BUILDS.values() for which in listed}):
            outcomes[-1].failed += 1
            say(f"{name}: FAILED: no build runs the suite {forgotten}")
        for which in suites:
            if asked and [name] not in asked and [name, which] not in asked:
                continue
            if which in present:
                (alone if which in ALONE else together).append((name, which))
            else:
                say(f"{name}: {which} has no tests")
    if tools.ident:
        tools.join()
    for jobs, width in ((together, 2), (alone, 1)):
        with concurrent.futures.ThreadPoolExecutor(width) as pool:
            outcomes += pool.map(lambda job: suite(*job, arguments.long), jobs)

    print()
    for outcome in sorted(outcomes, key=lambda one: -one.seconds):
        words = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped"
        print(f"{outcome.seconds:8.1f} s  {outcome.name:20} {'' if outcome.name.endswith(('build', 'tools')) else words}")
    print(f"{time.monotonic() - START:8.1f} s  in all")
    passed, failed, skipped = (sum(getattr(one, field) for one in outcomes)
                               for field in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
