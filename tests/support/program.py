# SPDX-License-Identifier: MIT
"""A real program under test: started, its log kept, ended, and its end looked at."""
import atexit
import os
import pathlib
import signal
import subprocess
import weakref

END_SECONDS = 60
FINDINGS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "ThreadSanitizer", "MemorySanitizer")

_started = weakref.WeakSet()


@atexit.register
def _end_what_is_left():
    for program in list(_started):
        program.kill()


def executable(variable):
    path = os.environ.get(variable)
    if not path:
        raise RuntimeError(f"{variable} must name the executable under test")
    return path


def environment(changes=None):
    """The tests' own settings are not the program's: only what a test names reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TASKQ_")}
    return {**kept, **(changes or {})}


class Program:
    """One process. Its standard error goes to a file, so that it can never block on a full pipe."""

    def __init__(self, arguments, folder, name, env=None, stdout=subprocess.DEVNULL):
        self.arguments = [str(argument) for argument in arguments]
        self.log_path = pathlib.Path(folder) / f"{name}.log"
        with open(self.log_path, "ab") as log:
            self.start_of_log = log.tell()
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=stdout, stderr=log,
                                            env=environment(env))
        _started.add(self)

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.start_of_log)
            return log.read().decode("utf-8", "replace")

    def is_running(self):
        return self.process.poll() is None

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=END_SECONDS):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.arguments[0]} did not end within {timeout} s; its log:\n{self.log()}") from None

    def kill(self):
        """kill -9, and no word about it."""
        if self.is_running():
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def assert_clean(self):
        log = self.log()
        for finding in FINDINGS:
            if finding in log:
                raise AssertionError(f"{finding} in the log of {self.arguments[0]}:\n{log}")

    def stop(self, number=signal.SIGTERM, timeout=END_SECONDS):
        """Asks it to end, and insists on exit status 0 and a log without a finding."""
        if self.is_running():
            self.send_signal(number)
        status = self.wait(timeout)
        if self.process.stdout:
            self.process.stdout.close()
        self.assert_clean()
        if status != 0:
            raise AssertionError(f"{self.arguments[0]} ended with {status}; its log:\n{self.log()}")


def run(variable, *arguments, env=None, timeout=END_SECONDS, stdin=None):
    """Runs an executable to its end; returns its status, standard output and standard error."""
    done = subprocess.run([executable(variable), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          env=environment(env), input=stdin if stdin is not None else "")
    for finding in FINDINGS:
        if finding in done.stderr:
            raise AssertionError(f"{finding} in what {variable} said:\n{done.stderr}")
    return done
