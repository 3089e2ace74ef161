# SPDX-License-Identifier: MIT
"""What a job looks like in JSON: every field, its kind, and nothing else."""
import datetime
import re

TIME = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$")
STATES = ("queued", "scheduled", "blocked", "running", "succeeded", "failed", "canceled")
TERMINAL = ("succeeded", "failed", "canceled")
OUTCOMES = ("succeeded", "failed", "timed_out", "lost", "released", "canceled")


def is_integer(value):
    return type(value) is int


def is_number(value):
    return type(value) in (int, float)


def is_text(value):
    return isinstance(value, str)


def is_time(value):
    return is_text(value) and TIME.match(value) is not None


def is_bool(value):
    return type(value) is bool


def is_texts(value):
    return isinstance(value, list) and all(is_text(one) for one in value)


def is_backoff(value):
    return (isinstance(value, dict) and set(value) == {"base_ms", "factor", "max_ms", "jitter"}
            and is_integer(value["base_ms"]) and is_integer(value["max_ms"])
            and is_number(value["factor"]) and is_number(value["jitter"]))


def is_error(value):
    return (isinstance(value, dict) and set(value) <= {"code", "message", "trace"}
            and all(one is None or is_text(one) for one in value.values()))


def is_progress(value):
    return (isinstance(value, dict) and set(value) <= {"percent", "message"}
            and (value.get("percent") is None or is_number(value["percent"])))


ALWAYS = {
    "id": is_integer, "queue": is_text, "type": is_text, "payload": lambda value: True,
    "state": lambda value: value in STATES, "priority": is_integer, "run_at": is_time, "attempt": is_integer,
    "max_attempts": is_integer, "timeout_ms": is_integer, "lease_ms": is_integer, "backoff": is_backoff,
    "version": is_integer, "tags": is_texts, "cancel_requested": is_bool, "created_at": is_time, "updated_at": is_time,
}
MAYBE = {
    "batch": is_text, "unique_key": is_text, "concurrency_key": is_text, "traceparent": is_text, "worker": is_text,
    "progress": is_progress, "result": lambda value: True, "error": is_error, "started_at": is_time,
    "finished_at": is_time, "lease_expires_at": is_time, "existing": is_bool,
    "depends_on": lambda value: isinstance(value, list) and all(is_integer(one) for one in value),
}
DETAILS = {"attempts": lambda value: isinstance(value, list) and all(is_attempt(one) for one in value),
           "log": is_text}


def is_attempt(value):
    return (set(value) <= {"attempt", "worker", "started_at", "finished_at", "outcome", "error"}
            and is_integer(value["attempt"]) and is_time(value["started_at"]) and is_time(value["finished_at"])
            and value["outcome"] in OUTCOMES and (value.get("error") is None or is_error(value["error"])))


def check_job(job, details=False):
    """Raises with the name of the field that is not as it should be."""
    fields = {**ALWAYS, **MAYBE, **(DETAILS if details else {})}
    for name, value in job.items():
        assert name in fields, f"no such field: {name}"
        assert (value is None and name not in ALWAYS) or fields[name](value), f"{name}: {value!r}"
    for name in ALWAYS:
        assert name in job, f"{name} is missing"
    if details:
        assert "attempts" in job, "attempts is missing"
    assert (job.get("finished_at") is not None) == (job["state"] in TERMINAL), job
    assert (job.get("lease_expires_at") is not None) == (job["state"] == "running"), job
    return job


def milliseconds(time_text):
    """A time of the API as Unix milliseconds."""
    moment = datetime.datetime.strptime(time_text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return round(moment.timestamp() * 1000)
