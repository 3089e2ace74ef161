# SPDX-License-Identifier: MIT
"""Histories that look suspicious and are right: the checker lets them pass."""
import unittest

from story import Story, at, done_once, done_row


class RightHistories(unittest.TestCase):
    def setUp(self):
        self.story = Story()

    def expect_nothing(self):
        found = self.story.broken()
        self.assertEqual(found, [], self.story.texts)

    def end(self, version=3, worker="w1", tag="re", rows=None, attempt=1):
        self.story.final(1, version, "succeeded", rows or [done_row(self.story, worker)], attempt, worker, result={"tag": tag})

    def test_a_job_made_claimed_and_done(self):
        done_once(self.story)
        self.end()
        self.story.counts(succeeded=1)
        self.expect_nothing()

    def test_an_enqueue_without_an_answer_that_was_made(self):
        self.story.enqueue("e", 1, outcome="unknown", made=[1])
        self.story.claim("w1", (1, 2, 1))
        self.story.succeed("re", 1, 2)
        self.end()
        self.expect_nothing()

    def test_an_enqueue_without_an_answer_that_was_not_made(self):
        self.story.enqueue("e", 1, 2, outcome="unknown")
        self.expect_nothing()

    def test_a_repeated_enqueue_of_one_key_that_made_one_job(self):
        self.story.enqueue("e", 1, key=True, outcome="unknown", made=[1])
        self.story.enqueue("e", 1, key=True)
        self.story.claim("w1", (1, 2, 1))
        self.story.succeed("re", 1, 2)
        self.end()
        self.expect_nothing()

    def test_a_claim_without_an_answer_whose_lease_runs_out(self):
        self.story.enqueue("e", 1)
        self.story.claim("w0", (1, 2, 1), outcome="unknown")
        self.story.later(1.2)
        self.story.claim("w1", (1, 4, 2))
        self.story.succeed("re", 1, 4, attempt=2)
        rows = [self.story.attempt("w0", "lost", 1, "lost", 1.0, 2.0), self.story.attempt("w1", "succeeded", 2)]
        self.end(5, rows=rows, attempt=2)
        self.expect_nothing()

    def test_a_poll_asked_again_that_gets_the_same_lease(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1), outcome="unknown")
        self.story.claim("w1", (1, 2, 1))
        self.story.claim("w1", (1, 2, 1))
        self.story.succeed("re", 1, 2)
        self.end()
        self.expect_nothing()

    def test_a_report_repeated_after_its_answer_was_lost(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.succeed("re", 1, 2, outcome="unknown")
        self.story.succeed("re", 1, 2)
        self.story.succeed("re", 1, 2)
        self.end()
        self.expect_nothing()

    def test_a_report_repeated_when_the_job_runs_again(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.fail("f", 1, 2)
        self.story.claim("w2", (1, 4, 2))
        self.story.ask("report", {"reports": [{**self.story.lines[3]["ask"]["reports"][0]}]}, {"job": self.story.last[1]}, group="f")
        self.story.succeed("re", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "failed", 1, "f"), self.story.attempt("w2", "succeeded", 2)]
        self.end(5, "w2", rows=rows, attempt=2)
        self.expect_nothing()

    def test_a_report_after_its_lease_ran_out_that_no_sweep_has_ended(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.later(5)
        self.story.beat(1, 2)
        self.story.later(5)
        self.story.succeed("re", 1, 2)
        self.end()
        self.expect_nothing()

    def test_a_lease_lost_just_when_it_can_have_run_out(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.later(0.995)
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "lost", 1, "lost", 1.0, 2.0), self.story.attempt("w2", "succeeded", 2)]
        self.end(5, "w2", "r", rows, 2)
        self.expect_nothing()

    def test_a_lease_that_began_before_its_claim_was_to_be_seen(self):
        self.story.enqueue("e", 1)
        self.story.later(0.030)
        self.story.get(1, 1, "queued")
        self.story.claim("w1", (1, 2, 1), t0=1.012)
        self.story.later(0.955)
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "lost", 1, "lost", 1.015, 2.015), self.story.attempt("w2", "succeeded", 2)]
        self.end(5, "w2", "r", rows, 2)
        self.expect_nothing()

    def test_two_reports_of_one_lease_of_which_one_is_refused(self):
        done_once(self.story)
        self.story.succeed("other", 1, 2, outcome="refused", t0=1.021)
        self.end()
        self.expect_nothing()

    def test_a_report_without_an_answer_that_lost_against_the_sweep(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.later(1.2)
        self.story.succeed("old", 1, 2, outcome="unknown")
        self.story.succeed("old", 1, 2, outcome="refused")
        self.story.claim("w2", (1, 4, 2))
        self.story.succeed("r", 1, 4, attempt=2, worker="w2")
        rows = [self.story.attempt("w1", "lost", 1, "lost", 1.0, 2.1), self.story.attempt("w2", "succeeded", 2)]
        self.end(5, "w2", "r", rows, 2)
        self.expect_nothing()

    def test_a_reader_that_overlaps_the_move_it_does_not_see(self):
        done_once(self.story)
        self.story.get(1, 2, "running", 1, "w1", t0=1.025)
        self.end()
        self.expect_nothing()

    def test_a_finished_job_that_runs_again_after_a_retry(self):
        done_once(self.story)
        self.story.operate("retry", 1, 4, "queued", worker="w1")
        self.story.claim("w2", (1, 5, 1))
        self.story.succeed("r2", 1, 5, worker="w2")
        self.end(6, "w2", "r2", [done_row(self.story), done_row(self.story, "w2")])
        self.expect_nothing()

    def test_a_finished_job_that_runs_again_after_a_retry_without_an_answer(self):
        done_once(self.story)
        self.story.operate("retry", 1, outcome="unknown")
        self.story.claim("w2", (1, 5, 1))
        self.story.succeed("r2", 1, 5, worker="w2")
        self.end(6, "w2", "r2", [done_row(self.story), done_row(self.story, "w2")])
        self.expect_nothing()

    def test_a_cancel_without_an_answer_that_comes_while_it_runs(self):
        self.story.enqueue("e", 1)
        self.story.operate("cancel", 1, outcome="unknown")
        self.story.claim("w1", (1, 2, 1))
        self.story.fail("f", 1, 2, outcome="unknown")
        self.story.final(1, 3, "canceled", [self.story.attempt("w1", "canceled", 1, "f")], 1, "w1", cancel_requested=True)
        self.expect_nothing()

    def test_a_job_asked_to_cancel_that_succeeds(self):
        self.story.enqueue("e", 1)
        self.story.claim("w1", (1, 2, 1))
        self.story.operate("cancel", 1, 2, "running", 1, worker="w1", asked=True)
        self.story.succeed("r", 1, 2, cancel_requested=True)
        self.story.final(1, 3, "succeeded", [done_row(self.story)], 1, "w1", result={"tag": "r"}, cancel_requested=True)
        self.expect_nothing()

    def test_two_jobs_of_one_unique_key_one_after_the_other(self):
        self.story.enqueue("e1", 1, unique_key="k")
        self.story.enqueue("x", 9, unique_key="k", existing={**self.story.last[1], "existing": True})
        self.story.claim("w1", (1, 2, 1))
        self.story.succeed("re", 1, 2)
        over = self.story.t
        self.story.enqueue("e2", 2, unique_key="k")
        self.story.claim("w2", (2, 2, 1))
        self.story.succeed("r2", 2, 2, worker="w2")
        self.end(rows=[self.story.attempt("w1", "succeeded", 1, over=over)])
        self.story.lines[-1]["answer"]["job"]["finished_at"] = self.story.attempt("w1", "x", 1, over=over)["finished_at"]
        self.story.final(2, 3, "succeeded", [done_row(self.story, "w2")], 1, "w2", result={"tag": "r2"})
        self.expect_nothing()

    def test_a_unique_key_that_was_free_again_when_a_slow_request_took_it(self):
        begin = self.story.made_at[1] = self.story.t
        self.story.enqueue("e2", 2, unique_key="k")
        self.story.operate("cancel", 2, 2, "canceled")
        over = at(self.story.t)
        self.story.enqueue("e1", 1, unique_key="k")
        self.story.lines[-1]["t0"] = begin
        self.story.operate("cancel", 1, 2, "canceled")
        self.story.final(1, 2, "canceled")
        self.story.final(2, 2, "canceled", finished_at=over)
        self.expect_nothing()

    def test_a_job_that_was_done_before_its_slow_request_was_answered(self):
        self.story.enqueue("e2", 2, unique_key="k")
        slow = self.story.lines[-1]
        self.story.operate("cancel", 2, 2, "canceled")
        over = at(self.story.t)
        self.story.enqueue("e1", 1, unique_key="k")
        slow["t1"] = self.story.t + 0.05
        self.story.later(0.1)
        self.story.operate("cancel", 1, 2, "canceled")
        self.story.final(1, 2, "canceled")
        self.story.final(2, 2, "canceled", finished_at=over)
        self.expect_nothing()

    def test_a_release_that_does_not_count(self):
        self.story.enqueue("e", 1, max_attempts=1)
        self.story.claim("w1", (1, 2, 1))
        self.story.release(1, 2)
        self.story.claim("w2", (1, 4, 1))
        self.story.succeed("r", 1, 4, worker="w2")
        rows = [self.story.attempt("w1", "released", 1), self.story.attempt("w2", "succeeded", 1)]
        self.end(5, "w2", "r", rows)
        self.expect_nothing()


if __name__ == "__main__":
    unittest.main()
