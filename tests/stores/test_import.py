# SPDX-License-Identifier: MIT
"""taskq-server --db postgresql://... --import taskq.db: whatever the API says of the old store it says of the new one, and goes on with it."""
import os
import shutil
import signal
import unittest

from filled import KEYS, LIST, ONE, UNIQUE, Filled, everything, keyed
from harness import assert_same
from moving import MoveCase, peak_megabytes
from program import Program, executable, run
from waiting import wait_until

LONG = bool(os.environ.get("TASKQ_LONG"))
PAGE = 500  # jobs that are taken over in one transaction


class TakenOver(MoveCase):
    """One store, taken over for each test: what is done in one is not seen by the others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        case = cls("taking_over")
        case.setUp()
        cls.addClassCleanup(case.doCleanups)
        server = case.old_server("--sweep-interval", "50ms")
        api = case.client_of(server)
        cls.filled = Filled(api)
        cls.before = everything(api)
        server.stop()
        cls.old_path = case.path

    def taking_over(self):
        """The case that has made the store."""

    def setUp(self):
        super().setUp()
        if self._testMethodName != "taking_over":
            self.path = self.old_path
            self.assert_taken_over(len(self.before[0]) - 13)
            self.server = self.new_server("--sweep-interval", "50ms")
            self.api = self.client_of(self.server)

    def started_again(self, name):
        """A job whose lease began in the old store."""
        return self.filled.leases[name]

    def test_every_answer_is_the_same(self):
        jobs, queues, stats = everything(self.api)
        old_jobs, old_queues, old_stats = self.before
        self.assertEqual(jobs.keys(), old_jobs.keys())
        for path, job in jobs.items():
            with self.subTest(path=path):
                if path.startswith("/jobs?"):
                    self.assertEqual(list(job), list(old_jobs[path]))
                    for at, one in job.items():
                        assert_same(self, old_jobs[path][at], one)
                else:
                    assert_same(self, old_jobs[path], job)
        self.assertEqual((queues, stats), (old_queues, old_stats))
        self.server.stop()

    def test_what_was_asked_before_with_a_key_is_answered_as_before(self):
        for name, body in (("job", ONE), ("list", LIST)):
            reply = keyed(self.api, name, body)
            self.assertEqual((201, self.filled.keyed[name]), (reply.status, reply.json))
            other = keyed(self.api, name, {"type": "other"})  # not what the key stands for
            self.assertEqual((422, "invalid"), (other.status, other.slug))
        self.assertEqual(20, len(self.api.jobs(type="listed", limit=100)))

    def test_a_unique_key_is_held_while_its_job_lives(self):
        held = self.api.expect(200, "POST", "/jobs", UNIQUE).json
        self.assertEqual((True, self.filled.unique["id"]), (held["existing"], held["id"]))
        runs = {"queue": "unique-running", "type": "u", "unique_key": "runs"}
        self.assertTrue(self.api.expect(200, "POST", "/jobs", runs).json["existing"])
        self.api.succeed(self.started_again("unique"))
        self.api.expect(201, "POST", "/jobs", runs)
        self.api.expect(201, "POST", "/jobs", {"queue": "unique-ended", "type": "t", "unique_key": "free"})

    def test_a_lease_goes_on_and_is_reported(self):
        job = self.started_again("report")
        for _ in range(2):  # the second time it is the same report
            self.assertEqual("succeeded", self.api.succeed(job, result=[1])["state"])
        beat = self.started_again("beat")
        self.api.expect(200, "POST", f"/jobs/{beat['id']}/heartbeat", {"version": beat["version"], "log": "and on\n"})
        before = self.before[0][f"/jobs/{beat['id']}"]
        self.assertEqual(before["log"] + "and on\n", self.api.job(beat["id"])["log"])
        self.assertEqual("canceled", self.api.fail(self.started_again("cancel"))["state"])
        again = self.started_again("again")
        self.assertEqual(["failed", "succeeded"], [row["outcome"] for row in self.api.job(self.api.succeed(again)["id"])["attempts"]])
        back = self.started_again("release")
        self.api.expect(200, "POST", f"/jobs/{back['id']}/release", {"version": back["version"]})
        self.assertEqual(back["id"], self.api.claim(back["queue"])["id"])

    def test_a_report_of_an_ended_job_is_known_again_and_another_is_stale(self):
        for name, (job_id, body, answer) in self.filled.reports.items():
            with self.subTest(name=name):
                self.assertEqual(answer, self.api.expect(200, "POST", f"/jobs/{job_id}/complete", body).json)
                self.assertEqual(409, self.api.call("POST", f"/jobs/{job_id}/complete", {"version": body["version"], "status": "succeeded", "result": "other"}).status)

    def test_a_poll_asked_again_has_its_leases(self):
        again = self.api.claim_many("polled", 3, worker="poller", poll="p1")
        self.assertEqual([(job["id"], job["version"]) for job in self.filled.polled], [(job["id"], job["version"]) for job in again])

    def test_jobs_are_claimed_in_their_order_and_paused_queues_stay_paused(self):
        ready = self.before[0]["/jobs?queue=ready&state=queued"].values()
        order = sorted(ready, key=lambda job: (-job["priority"], job["run_at"], job["id"]))
        self.assertEqual([job["id"] for job in order], [job["id"] for job in self.api.claim_many("ready", 100)])
        self.assertIsNone(self.api.claim("paused"))
        self.api.expect(200, "PATCH", "/queues/paused", {"paused": False})
        self.assertEqual(3, len(self.api.claim_many("paused", 10)))

    def test_new_jobs_come_after_all_that_ever_were(self):
        self.assertGreater(self.api.enqueue(type="t")["id"], self.filled.last_id)

    def test_ended_jobs_are_retried_and_deleted(self):
        failed = self.filled.reports["failed"][0]
        self.assertEqual("queued", self.api.retry(failed)["state"])
        self.api.expect(204, "DELETE", f"/jobs/{self.filled.reports['nothing'][0]}")
        counts = self.api.queue("ended-failed")["counts"]
        self.assertEqual((1, 0), (counts["queued"], counts["failed"]))


class InTime(MoveCase):
    def test_leases_run_out_and_jobs_become_due_in_the_new_store(self):
        server = self.old_server()
        api = self.client_of(server)
        lost, late = (api.enqueue(type="t", queue="q", **fields) for fields in ({"lease_ms": 1000}, {"timeout_ms": 1500}))
        api.claim_many("q", 2)
        due = api.enqueue(type="t", queue="due", delay_ms=1500)
        backoff = api.enqueue(type="t", queue="backoff")
        api.fail(api.claim("backoff"), retry_in_ms=1500)
        server.stop()
        self.assert_taken_over(4)
        api = self.client_of(self.new_server("--sweep-interval", "50ms"))
        for job, outcome in ((lost, "lost"), (late, "timed_out")):
            ended = wait_until(lambda job=job: api.job(job["id"])["attempts"], timeout=60)
            self.assertEqual([outcome], [row["outcome"] for row in ended])
        for job in (due, backoff):
            wait_until(lambda job=job: api.job(job["id"])["state"] == "queued", timeout=60)


class CutShort(MoveCase):
    JOBS = 3 * PAGE + 100

    def fill(self):
        server = self.old_server("--max-body", "4MiB")
        api = self.client_of(server)
        keys = []
        for first in range(0, self.JOBS, 100):
            body = {"jobs": [{"type": "t", "queue": "q", "payload": first + n} for n in range(100)]}
            keys.append((f"key-{first}", body, api.expect(201, "POST", "/jobs", body, {"Idempotency-Key": f"key-{first}"}).json))
        server.stop()
        return keys

    def check_all(self, keys):
        api = self.client_of(self.new_server())
        self.assertEqual(list(range(self.JOBS)), sorted(job["payload"] for job in api.all_jobs(queue="q", limit=1000)))
        self.assertEqual(self.JOBS, api.queue("q")["counts"]["queued"])
        for key, body, answer in keys:
            self.assertEqual(answer, api.expect(201, "POST", "/jobs", body, {"Idempotency-Key": key}).json)

    def test_killed_and_killed_again_it_goes_on_where_it_stopped(self):
        keys = self.fill()
        self.set_gate()
        for killed_at in (PAGE + 50, 2 * PAGE + 1, 2 * PAGE + 400):
            program = self.start_until(killed_at)
            program.kill()
            self.postgres.query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name LIKE 'taskq%'")
            self.open_gate()
            self.assertEqual((killed_at - 1) // PAGE * PAGE, self.rows())
        self.assert_taken_over(self.JOBS)
        self.check_all(keys)

    def test_ctrl_c_ends_it_between_two_pages_and_says_how_to_go_on(self):
        keys = self.fill()
        self.set_gate()
        program = self.start_until(PAGE + 50)
        program.send_signal(signal.SIGINT)
        self.open_gate()
        self.assertEqual(1, program.wait())
        self.assertIn("goes on from here", program.log())
        self.assertEqual(2 * PAGE, self.rows())
        self.assertIn("%", self.assert_taken_over(self.JOBS).stderr)
        self.check_all(keys)

    def test_what_is_half_there_is_not_worked_on(self):
        self.fill()
        self.set_gate()
        program = self.start_until(PAGE + 50)
        program.send_signal(signal.SIGINT)
        self.open_gate()
        program.wait()
        refused = run("TASKQ_SERVER", "--db", self.url, "--db-schema", self.schema, "--listen", "127.0.0.1:0")
        self.assertEqual((1, ""), (refused.returncode, refused.stdout))
        self.assertRegex(refused.stderr, "import into schema .* is not complete")
        checked = run("TASKQ_SERVER", "--db", self.url, "--db-schema", self.schema, "--check")
        self.assertEqual((1, ""), (checked.returncode, checked.stdout))
        self.assertRegex(checked.stderr, "import into schema .* is not complete")
        self.assert_taken_over(self.JOBS)

    def test_of_two_at_once_the_later_one_goes_on_and_the_earlier_one_says_so(self):
        keys = self.fill()
        self.set_gate()
        shutil.copy(self.path, self.folder / "copy.db")  # of the same file the later one would not get hold
        earlier = self.start_until(PAGE + 50)
        later = Program([executable("TASKQ_SERVER"), *self.flags(self.folder / "copy.db")], self.folder, "later")
        self.addCleanup(later.kill)
        self.postgres.wait_for("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", "1", self.database)
        self.open_gate()
        self.assertEqual((1, 0), (earlier.wait(60), later.wait(60)), earlier.log() + later.log())
        self.assertIn("another import into schema", earlier.log())
        self.check_all(keys)

    def test_a_lost_database_ends_it_and_it_goes_on(self):
        keys = self.fill()
        self.set_gate()
        program = self.start_until(2 * PAGE + 7)
        self.postgres.restart("immediate")
        self.assertEqual(1, program.wait(60))
        self.open_gate()
        self.assertEqual(2 * PAGE, self.rows())
        self.assert_taken_over(self.JOBS)
        self.check_all(keys)

    def test_a_store_that_was_used_meanwhile_is_refused(self):
        def claim_and_give_back(api):
            job = api.claim("q")
            api.expect(200, "POST", f"/jobs/{job['id']}/release", {"version": job["version"]})

        self.fill()
        self.set_gate()
        for change in (claim_and_give_back, lambda api: api.enqueue(type="t"), lambda api: api.claim("q"),
                       lambda api: api.expect(200, "PATCH", "/queues/q", {"paused": True})):
            program = self.start_until(PAGE + 50)
            program.send_signal(signal.SIGINT)
            self.open_gate()
            program.wait()
            server = self.old_server()
            change(self.client_of(server))
            server.stop()
            refused = self.take_over()
            self.assertEqual(1, refused.returncode)
            self.assertIn("was used since the import began", refused.stderr)
            self.postgres.query(f'DROP SCHEMA "{self.schema}" CASCADE; DROP TABLE gate; DROP FUNCTION wait_at_gate', self.database)
            self.set_gate()

    def test_a_server_that_worked_on_the_new_one_meanwhile_is_found_out(self):
        self.fill()
        self.set_gate()
        server = self.new_server()  # it was there before, and knows nothing of the import
        program = self.start_until(PAGE + 50)
        self.client_of(server).enqueue(type="t", queue="new")
        server.stop()
        self.open_gate()
        self.assertEqual(1, program.wait())
        self.assertIn("a server works on schema", program.log())
        self.assertIn("a server works on schema", self.take_over().stderr)


class Refused(MoveCase):
    def refused(self, words, path=None):
        done = self.take_over(path)
        self.assertEqual((1, ""), (done.returncode, done.stdout), done.stderr)
        self.assertIn(words, done.stderr)

    def made(self, server, **fields):
        self.client_of(server).enqueue(type="t", **fields)
        server.stop()

    def test_a_new_store_with_jobs_of_its_own_is_left_alone(self):
        self.made(self.old_server())
        self.made(self.new_server(), queue="own")
        self.refused("has jobs of its own")
        server = self.new_server()
        self.assertEqual(["own"], [job["queue"] for job in self.client_of(server).jobs()])
        server.stop()

    def test_the_same_store_twice_is_once_and_another_one_is_refused(self):
        self.made(self.old_server())
        self.assert_taken_over(1)
        self.assert_taken_over(1)
        self.made(self.new_server(), queue="later")
        self.assert_taken_over(1)  # done is done: what came later stays
        self.path = self.folder / "other.db"
        self.made(self.old_server(), queue="other")
        self.made(self.old_server(), queue="other")
        self.refused("holds the import of another store")

    def test_a_store_that_is_in_use_or_not_there_or_none_is_refused(self):
        server = self.old_server()
        self.refused("in use")
        server.stop()
        missing = self.folder / "missing.db"
        self.refused("missing.db", missing)
        self.assertFalse(missing.exists())
        (self.folder / "text").write_text("this is no database" * 100)
        self.refused("text", self.folder / "text")

    def test_only_postgresql_takes_one_over(self):
        done = run("TASKQ_SERVER", "--db", self.folder / "new.db", "--import", self.path)
        self.assertEqual(2, done.returncode)
        self.assertIn("--db postgresql://", done.stderr)

    def test_an_empty_store_is_taken_over_with_its_queues(self):
        server = self.old_server()
        self.client_of(server).expect(200, "PATCH", "/queues/q", {"paused": True})
        server.stop()
        self.assert_taken_over(0)
        self.assertTrue(self.client_of(self.new_server()).queue("q")["paused"])


class Memory(MoveCase):
    on_disk = LONG
    JOBS = 200_000 if LONG else 30_000

    def test_memory_is_bounded_whatever_the_size(self):
        server = self.old_server("--max-body", "16MiB")
        api = self.client_of(server)
        for _ in range(self.JOBS // 1000):
            api.enqueue_many([{"type": "t", "queue": "q", "payload": "x" * 4096}] * 1000)
        server.stop()
        megabytes, status = peak_megabytes([executable("TASKQ_SERVER"), *self.flags()])
        self.assertEqual(0, status)
        self.assertEqual(self.JOBS, self.rows())
        self.assertLess(megabytes, 150 if LONG else self.JOBS * 4096 >> 21)


if __name__ == "__main__":
    unittest.main()
