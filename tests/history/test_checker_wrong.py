# SPDX-License-Identifier: MIT
"""Histories that are wrong on purpose: the checker finds each, and names the rule."""
import unittest

from story import Story, done_once, done_row


class WrongHistories(unittest.TestCase):
    def setUp(self):
        self.story = Story()

    def expect(self, rule):
        found = self.story.broken()
        self.assertIn(rule, found, self.story.texts)

    # lost

    def test_an_acknowledged_job_that_is_not_there_in_the_end(self):
        self.story.enqueue("e", 1)
        self.expect("lost")

    def test_one_job_of_an_acknowledged_list_that_is_not_there(self):
        self.story.enqueue("e", 1, 2, 3)
        for job_id in (1, 3):
            self.story.final(job_id, 1, "queued")
        self.expect("lost")

    def test_an_acknowledged_report_that_is_undone(self):
        done_once(self.story)
        self.story.final(1, 2, "running", attempt=1, worker="w1")
        self.expect("lost")

    def test_an_acknowledged_job_whose_id_was_given_to_another(self):
        self.story.enqueue("e", 1)
        self.story.enqueue("f", 1)
        self.story.final(1, 1, "queued")
        self.expect("lost")

    def test_a_job_that_was_there_and_is_not_found(self):
        done_once(self.story)
        self.story.gone("get", 1)
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "re"})
        self.expect("lost")

    def test_a_version_that_was_two_things(self):
        self.story.enqueue("e", 1)
        self.story.operate("cancel", 1, 2, "canceled")
        self.story.claim("w1", (1, 2, 1))
        self.story.succeed("r", 1, 2)
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "r"})
        self.expect("lost")

    # phantom

    def test_a_job_that_nobody_asked_for(self):
        self.story.enqueue("e", 1)
        self.story.final(1, 1, "queued")
        self.story.new_jobs[2] = {**self.story.new_jobs[1], "payload": {"tag": "x", "i": 0}}
        self.story.made_at[2] = 1.0
        self.story.final(2, 1, "queued")
        self.expect("phantom")

    def test_a_refused_enqueue_that_was_made(self):
        self.story.enqueue("e", 1, outcome="refused", made=[1])
        self.story.final(1, 1, "queued")
        self.expect("phantom")

    # overlap

    def test_one_lease_given_to_two(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.claim("w2", (1, 2, 1))
        self.story.succeed("r", 1, 2)
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "r"})
        self.expect("overlap")

    def lost_and_done(self, pause):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.later(pause)
        begun = self.story.t
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "lost", 1, "lost", begun, begun), self.story.attempt("w2", "succeeded", 2, begun=begun)]
        self.story.final(1, 5, "succeeded", rows, 2, "w2", result={"tag": "r"})

    def test_a_lease_lost_before_it_can_have_run_out(self):
        self.lost_and_done(0.7)
        self.expect("overlap")

    def test_a_lease_that_was_shorter_than_asked_for(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.later(3.0)
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "lost", 1, "lost", 1.0, 1.9), self.story.attempt("w2", "succeeded", 2)]
        self.story.final(1, 5, "succeeded", rows, 2, "w2", result={"tag": "r"})
        self.expect("overlap")

    def test_a_lease_lost_although_a_heartbeat_renewed_it(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.later(0.8)
        self.story.beat(1, 2)
        self.story.later(0.5)
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "lost", 1, "lost"), self.story.attempt("w2", "succeeded", 2)]
        self.story.final(1, 5, "succeeded", rows, 2, "w2", result={"tag": "r"})
        self.expect("overlap")

    def test_a_claim_of_a_job_that_runs(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.claim("w2", (1, 3, 2))
        self.story.succeed("r", 1, 3, attempt=2, worker="w2")
        self.story.final(1, 4, "succeeded", [self.story.attempt("w2", "succeeded", 2)], 2, "w2", result={"tag": "r"})
        self.expect("overlap")

    def test_attempts_whose_times_overlap(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.fail("f", 1, 2)
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "failed", 1, "f", over=2.0), self.story.attempt("w2", "succeeded", 2, begun=1.5)]
        self.story.final(1, 5, "succeeded", rows, 2, "w2", result={"tag": "r"})
        self.expect("overlap")

    # stale

    def taken_over(self):
        """w1 lost its lease, w2 has the job."""
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.later(1.2)
        self.story.claim("w2", (1, 4, 2))

    def rows(self):
        return [self.story.attempt("w1", "lost", 1, "lost", 1.0, 2.0), self.story.attempt("w2", "succeeded", 2)]

    def test_a_stale_report_that_was_taken(self):
        self.taken_over()
        self.story.succeed("old", 1, 2, shows=self.story.last[1])
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        self.story.final(1, 5, "succeeded", self.rows(), 2, "w2", result={"tag": "r"})
        self.expect("stale")

    def test_a_stale_heartbeat_that_was_taken(self):
        self.taken_over()
        self.story.beat(1, 2)
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        self.story.final(1, 5, "succeeded", self.rows(), 2, "w2", result={"tag": "r"})
        self.expect("stale")

    def test_two_reports_that_ended_one_lease(self):
        done_once(self.story)
        self.story.succeed("other", 1, 2, shows=self.story.last[1])
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "re"})
        self.expect("stale")

    def test_a_refused_report_whose_result_stays(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.succeed("r", 1, 2, outcome="refused")
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "r"})
        self.expect("stale")

    def test_a_report_of_another_lease_whose_error_stays(self):
        self.taken_over()
        self.story.fail("old", 1, 2, outcome="refused")
        rows = [self.story.attempt("w1", "lost", 1, "lost", 1.0, 2.0), self.story.attempt("w2", "failed", 2, "old")]
        self.story.final(1, 5, "queued", rows, 2, "w2")
        self.expect("stale")

    # finished

    def test_a_job_that_runs_again_after_its_success(self):
        done_once(self.story)
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("again", 1, 4, attempt=2, worker="w2")
        rows = [done_row(self.story), self.story.attempt("w2", "succeeded", 2)]
        self.story.final(1, 5, "succeeded", rows, 2, "w2", result={"tag": "again"})
        self.expect("finished")

    def test_a_failed_job_that_runs_again_without_a_retry(self):
        self.story.enqueue("e", 1, max_attempts=1)
        self.story.claim("w1", (1, 2, 1))
        self.story.fail("f", 1, 2, "failed")
        self.story.claim("w2", (1, 5, 1))
        self.story.succeed("r", 1, 5, worker="w2")
        rows = [self.story.attempt("w1", "failed", 1, "f"), self.story.attempt("w2", "succeeded", 1)]
        self.story.final(1, 6, "succeeded", rows, 1, "w2", result={"tag": "r"})
        self.expect("finished")

    def test_one_retry_after_which_it_finishes_twice(self):
        done_once(self.story)
        self.story.operate("retry", 1, 4, "queued", worker="w1")
        self.story.claim("w2", (1, 5, 1))
        self.story.succeed("r2", 1, 5, worker="w2")
        self.story.claim("w3", (1, 8, 1))
        self.story.succeed("r3", 1, 8, worker="w3")
        rows = [self.story.attempt(worker, "succeeded") for worker in ("w1", "w2", "w3")]
        self.story.final(1, 9, "succeeded", rows, 1, "w3", result={"tag": "r3"})
        self.expect("finished")

    # keys

    def test_a_request_repeated_under_its_key_that_made_two_jobs(self):
        self.story.enqueue("e", 1, key=True)
        self.story.enqueue("e", 2, key=True)
        for job_id in (1, 2):
            self.story.final(job_id, 1, "queued")
        self.expect("keys")

    def test_a_request_without_an_answer_whose_repetition_made_another_job(self):
        self.story.enqueue("e", 1, key=True, outcome="unknown", made=[1])
        self.story.enqueue("e", 2, key=True)
        for job_id in (1, 2):
            self.story.final(job_id, 1, "queued")
        self.expect("keys")

    def test_two_jobs_that_live_under_one_unique_key(self):
        for job_id in (1, 2):
            self.story.enqueue(f"e{job_id}", job_id, unique_key="k")
        self.story.operate("cancel", 1, 2, "canceled")
        self.story.final(1, 2, "canceled")
        self.story.final(2, 1, "queued")
        self.expect("keys")

    def test_a_list_of_which_half_was_made(self):
        self.story.enqueue("e", 1, 2, outcome="unknown", made=[1])
        self.story.final(1, 1, "queued")
        self.expect("keys")

    def test_an_enqueue_that_was_told_of_a_job_under_another_key(self):
        self.story.enqueue("e", 1, unique_key="a")
        self.story.enqueue("f", 2, unique_key="b", existing={**self.story.last[1], "existing": True})
        self.story.final(1, 1, "queued")
        self.expect("keys")

    # cancel

    def test_a_running_job_asked_to_cancel_that_is_tried_again(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.operate("cancel", 1, 2, "running", 1, worker="w1", asked=True)
        self.story.fail("f", 1, 2)
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "failed", 1, "f"), self.story.attempt("w2", "succeeded", 2)]
        self.story.final(1, 5, "succeeded", rows, 2, "w2", result={"tag": "r"})
        self.expect("cancel")

    def test_a_job_that_is_canceled_though_nobody_asked(self):
        self.story.enqueue("e", 1)
        self.story.final(1, 2, "canceled")
        self.expect("cancel")

    def test_a_canceled_job_that_runs(self):
        self.story.enqueue("e", 1)
        self.story.operate("cancel", 1, 2, "canceled")
        self.story.claim("w1", (1, 3, 1))
        self.story.succeed("r", 1, 3)
        self.story.final(1, 4, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "r"})
        self.expect("finished")

    # moves and order

    def test_an_end_before_the_attempts_are_used_up(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.fail("f", 1, 2, "failed")
        self.story.final(1, 3, "failed", [self.story.attempt("w1", "failed", 1, "f")], 1, "w1")
        self.expect("moves")

    def test_more_attempts_than_there_are(self):
        self.story.enqueue("e", 1, max_attempts=1)
        self.story.claim("w1", (1, 2, 1))
        self.story.fail("f", 1, 2, "queued")
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "failed", 1, "f"), self.story.attempt("w2", "succeeded", 2)]
        self.story.final(1, 5, "succeeded", rows, 2, "w2", result={"tag": "r"})
        self.expect("moves")

    def test_a_move_that_counted_twice(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.succeed("r", 1, 2)
        self.story.final(1, 4, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "r"})
        self.assertNotEqual(self.story.broken(), [])

    def test_a_job_that_runs_before_it_is_due(self):
        self.story.enqueue("e", 1, delay_ms=60000)
        self.story.lines[-1]["answer"]["jobs"][0]["run_at"] = "2023-11-14T22:14:21.000Z"
        self.story.claim("w1", (1, 3, 1))
        self.story.succeed("r", 1, 3)
        self.story.final(1, 4, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "r"})
        self.expect("moves")

    def test_a_job_that_nobody_ever_does(self):
        self.story.enqueue("e", 1)
        self.story.final(1, 1, "queued")
        self.expect("moves")

    def test_a_cancel_refused_although_the_job_waits(self):
        self.story.enqueue("e", 1)
        self.story.operate("cancel", 1, outcome="refused")
        self.story.claim("w1", (1, 2, 1))
        self.story.succeed("r", 1, 2)
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "r"})
        self.expect("moves")

    def test_a_reader_that_is_shown_the_past(self):
        done_once(self.story)
        self.story.get(1, 2, "running", 1, "w1")
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "re"})
        self.expect("order")

    def test_a_retry_seen_before_it_was_asked_for(self):
        done_once(self.story)
        self.story.get(1, 4, "queued", worker="w1")
        self.story.operate("retry", 1, 4, "queued", worker="w1")
        self.story.operate("cancel", 1, 5, "canceled", worker="w1")
        self.story.final(1, 5, "canceled", [done_row(self.story)], 0, "w1")
        self.expect("order")

    # counts and answers

    def test_a_queue_that_counts_a_job_too_many(self):
        done_once(self.story)
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "re"})
        self.story.counts(succeeded=2)
        self.expect("counts")

    def test_a_queue_that_counts_a_state_that_no_job_has(self):
        done_once(self.story)
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "re"})
        self.story.counts(succeeded=1, running=1)
        self.expect("counts")

    def test_an_answer_500(self):
        self.story.enqueue("e", 1, outcome="unknown")
        self.story.lines[-1]["status"] = 500
        self.assertEqual(self.story.broken(), ["answer"])


if __name__ == "__main__":
    unittest.main()
