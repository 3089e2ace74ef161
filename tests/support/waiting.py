# SPDX-License-Identifier: MIT
"""Waiting for a condition, never for a time: the deadline is there only so that a defect ends the test."""
import time

DEADLINE_SECONDS = 20.0


def wait_until(predicate, timeout=DEADLINE_SECONDS, what="the condition", step=0.02):
    """Asks until the predicate gives something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {timeout} s")
        time.sleep(step)
