# SPDX-License-Identifier: MIT
"""Things done at the same time, with what they raised brought back to the test."""
import threading


class Task(threading.Thread):
    def __init__(self, work, *arguments):
        super().__init__(daemon=True)
        self.work, self.arguments = work, arguments
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.work(*self.arguments)
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def result(self, timeout=120):
        self.join(timeout)
        if self.is_alive():
            raise AssertionError(f"{self.work} did not end within {timeout} s")
        if self.error:
            raise self.error
        return self.value


def at_once(count, work):
    """Calls work(0) ... work(count - 1), all let go at the same moment; returns what they returned."""
    gate = threading.Barrier(count)

    def one(number):
        gate.wait()
        return work(number)

    tasks = [Task(one, number) for number in range(count)]
    return [task.result() for task in tasks]
