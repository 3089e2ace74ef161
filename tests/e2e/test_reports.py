# SPDX-License-Identifier: MIT
"""Reports that the server does not take: none is repeated without end, none takes others with it."""
import unittest

from workcase import WorkCase


class AResultTooLarge(WorkCase):
    server_arguments = ("--max-body", "8KiB")

    def test_it_is_replaced_by_a_failure_for_good(self):
        self.worker()
        shown = self.wait_for(self.http_job("/big/60000"))
        self.assertEqual((shown["state"], shown["attempt"], shown["error"]["code"]), ("failed", 1, "report-refused"))

    def test_the_others_of_its_list_are_taken(self):
        jobs = [self.http_job(f"/big/{size}") for size in (10, 60000, 20, 60000, 30, 60000, 40, 50)]
        self.worker("--concurrency", len(jobs))
        states = [self.wait_for(job)["state"] for job in jobs]
        self.assertEqual(states, ["succeeded", "failed", "succeeded", "failed", "succeeded", "failed", "succeeded", "succeeded"])

    def test_many_that_are_too_large_only_together_all_succeed(self):
        self.api.expect(200, "PATCH", f"/queues/{self.queue}", {"paused": True})
        jobs = [self.http_job(f"/big/{3000 + number}") for number in range(24)]
        self.worker("--concurrency", 24)
        self.api.expect(200, "PATCH", f"/queues/{self.queue}", {"paused": False})
        self.assertEqual({self.wait_for(job)["state"] for job in jobs}, {"succeeded"})


class AJobThatIsGone(WorkCase):
    def test_a_report_for_a_deleted_job_ends_the_matter(self):
        worker = self.worker("--concurrency", 1)
        job = self.http_job("/hold/x", timeout_ms=120000)
        self.wait_for(job, "running")
        self.api.succeed({"id": job["id"], "version": 2})
        self.api.expect(204, "DELETE", f"/jobs/{job['id']}")
        self.service.let_go()
        self.assertEqual(self.wait_for(self.sleep_job(1))["worker"], worker.id)


if __name__ == "__main__":
    unittest.main()
