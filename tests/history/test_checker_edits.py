# SPDX-License-Identifier: MIT
"""A true history of a real server, in which one thing is changed: the checker finds every such change."""
import copy
import json
import random
import unittest

from check import Check
from runs import HistoryCase

PLACES = 2  # of each kind


def is_single_ok(entry):
    return entry["outcome"] == "ok" and "job" in (entry["answer"] or {})


class Edits:
    """Each edit takes the entries and the random, changes one thing in place, and says what; None where there is nothing to change."""

    def __init__(self, entries, rng):
        self.entries, self.rng = entries, rng
        self.repeated = {}
        for entry in entries:
            group = entry.get("group")
            self.repeated[group] = self.repeated.get(group, 0) + 1

    def pick(self, wanted):
        found = [entry for entry in self.entries if entry["do"] != "begin" and wanted(entry)]
        return self.rng.choice(found) if found else None

    def pick_final(self, wanted=lambda job: True):
        entry = self.pick(lambda one: one["do"] == "final" and wanted(one["answer"]["job"]))
        return entry and entry["answer"]["job"]

    def drop(self, entry):
        if entry is not None:
            self.entries.remove(entry)
        return entry

    def a_job_gone(self):
        return self.drop(self.pick(lambda one: one["do"] == "final"))

    def a_version_more(self):
        job = self.pick_final()
        job["version"] += 1
        return job

    def another_end(self):
        job = self.pick_final(lambda one: one["state"] == "succeeded")
        job["state"] = "failed"
        return job

    def an_attempt_gone(self):
        job = self.pick_final(lambda one: one["attempts"])
        job["attempts"].pop(self.rng.randrange(len(job["attempts"])))
        return job

    def a_success_refused(self):
        entry = self.pick(lambda one: one["do"] == "report" and is_single_ok(one) and self.repeated[one["group"]] == 1
                          and one["ask"]["reports"][0]["status"] == "succeeded")
        entry.update(outcome="refused", status=409, answer=None)
        return entry

    def a_stale_report_taken(self):
        leases = {(job["id"], job["version"]): one["t1"] for one in self.entries if one["do"] == "claim" for job in
                  (one["answer"] or {}).get("jobs", [])}
        entry = self.pick(lambda one: one["do"] == "report" and one["status"] == 409 and self.repeated[one["group"]] == 1 and leases.get(
            (one["ask"]["reports"][0]["id"], one["ask"]["reports"][0]["version"]), one["t0"]) < one["t0"])
        entry.update(outcome="ok", status=200)
        return entry

    def a_retry_that_nobody_asked_for(self):
        return self.drop(self.pick(lambda one: one["do"] == "retry" and is_single_ok(one)))

    def a_cancel_that_nobody_asked_for(self):
        return self.drop(self.pick(lambda one: one["do"] == "cancel" and is_single_ok(one) and one["answer"]["job"]["state"] == "canceled"))

    def a_lease_that_no_answer_gave(self):
        entry = self.pick(lambda one: one["do"] == "claim" and self.repeated[one["group"]] == 1 and (one["answer"] or {}).get("jobs"))
        return entry["answer"]["jobs"].pop()

    def a_lease_given_twice(self):
        entry = self.pick(lambda one: one["do"] == "claim" and (one["answer"] or {}).get("jobs"))
        other = copy.deepcopy(entry)
        other["group"] = other["ask"]["worker"] = "somebody-else"
        self.entries.append(other)
        return other

    def a_lease_lost_too_early(self):
        job = self.pick_final(lambda one: any(row["outcome"] == "lost" for row in one["attempts"]))
        if job is None:
            return None
        for entry in self.entries:
            if entry["do"] == "enqueue" and entry["group"] == job["payload"]["tag"]:
                entry["ask"]["jobs"][job["payload"]["i"]]["lease_ms"] = 600000
        return job

    def an_enqueue_that_made_nothing(self):
        entry = self.pick(lambda one: one["do"] == "enqueue" and one["status"] == 201 and self.repeated[one["group"]] == 1)
        entry.update(outcome="refused", status=503, answer=None)
        return entry

    def a_job_counted_twice(self):
        entry = self.pick(lambda one: one["do"] == "counts")
        entry["answer"]["succeeded"] += 1
        return entry


class ChangedHistories(HistoryCase):
    def test_every_change_to_a_true_history_is_found(self):
        self.start_server()
        load = self.load()
        load.end()
        self.prove()
        true, rng = self.history.read_text(encoding="utf-8").splitlines(), random.Random(self.seed)
        kinds = [name for name in vars(Edits) if name.startswith(("a_", "an_"))]
        for kind in kinds:
            for _ in range(PLACES):
                edits = Edits([json.loads(line) for line in true], rng)
                changed = getattr(edits, kind)()
                if changed is not None:
                    with self.subTest(kind=kind):
                        self.assertNotEqual(Check(edits.entries).run(), [], changed)


if __name__ == "__main__":
    unittest.main()
