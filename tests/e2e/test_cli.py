# SPDX-License-Identifier: MIT
"""The taskq command: what it prints, where, and its exit codes."""
import json
import os
import pty
import re
import subprocess
import unittest

from harness import FreshServerCase
from program import environment, executable, run
from shape import check_job
from workcase import WorkCase

DONE, FAILED, USAGE, NOT_FOUND, CONFLICT, UNREACHABLE = 0, 1, 2, 3, 4, 5


class Command(WorkCase):
    def taskq(self, *arguments, code=DONE, stdin=None):
        done = run("TASKQ_CLI", *arguments, "--server", self.server.url, stdin=stdin)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}\n{done.stderr}")
        if code not in (DONE, FAILED):
            self.assertNotEqual(done.stderr, "", "a failure without a word")
        return done.stdout

    def json(self, *arguments, **options):
        return json.loads(self.taskq(*arguments, "-o", "json", **options))

    def test_enqueue_makes_a_job_of_its_flags(self):
        job = check_job(self.json("enqueue", "sleep", '{"duration_ms": 5}', "--queue", self.queue, "--priority", "7", "--max-attempts", "3",
                                  "--tag", "a", "--tag", "b", "--batch", "b1", "--unique-key", "u", "--delay", "1h"))
        self.assertEqual((job["type"], job["payload"], job["priority"], job["max_attempts"], job["tags"], job["batch"], job["unique_key"], job["state"]),
                         ("sleep", {"duration_ms": 5}, 7, 3, ["a", "b"], "b1", "u", "scheduled"))

    def test_a_payload_comes_from_standard_input_or_a_file_unaltered(self):
        text = '{"big": 9007199254740993, "z": 1, "a": 2}'
        (self.folder / "payload.json").write_text(text)
        for argument, stdin in (("-", text), (f"@{self.folder}/payload.json", None)):
            out = self.taskq("enqueue", "t", argument, "--queue", self.queue, "-o", "json", stdin=stdin)
            self.assertIn("9007199254740993", out)

    def test_the_id_alone_is_for_scripts(self):
        out = self.taskq("enqueue", "t", "--queue", self.queue, "-o", "id")
        self.assertRegex(out, r"^\d+\n$")
        self.assertEqual(self.json("get", out.strip())["type"], "t")
        self.assertEqual(self.taskq("list", "--queue", self.queue, "-o", "id"), out)

    def test_wait_ends_with_0_only_if_the_job_succeeded(self):
        self.worker()
        self.taskq("enqueue", "sleep", '{"duration_ms": 1}', "--queue", self.queue, "--wait")
        self.taskq("enqueue", "sleep", '{"bad": 1}', "--queue", self.queue, "--wait", code=FAILED)

    def test_wait_shows_on_a_terminal_how_far_the_job_is(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process = subprocess.Popen([executable("TASKQ_CLI"), "enqueue", "t", "--queue", self.queue, "--wait", "--server", self.server.url],
                                   env=environment({"TERM": "vt100"}), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        self.addCleanup(process.kill)
        seen = b""
        while b"queued" not in seen:
            seen += os.read(master, 4096)
        self.assertRegex(seen.decode(), r"job \d+ \[\.+\] +0 %  queued")
        self.api.cancel(self.api.jobs(queue=self.queue)[0]["id"])
        self.assertEqual(process.wait(60), FAILED)

    def test_lines_of_jobs_are_enqueued_in_bulk(self):
        lines = "".join(json.dumps({"type": "t", "queue": self.queue, "payload": {"n": n}}) + "\n" for n in range(2500))
        (self.folder / "jobs.ndjson").write_text(lines)
        self.taskq("enqueue", "--ndjson", self.folder / "jobs.ndjson")
        self.taskq("enqueue", "--ndjson", "-", stdin=lines)
        self.assertEqual(self.count("queued"), 5000)
        self.taskq("enqueue", "--ndjson", "-", stdin='{"type": "t"}\n{"nope": 1}\n', code=USAGE)

    def test_list_narrows_and_prints_each_format(self):
        for kind in ("a", "b", "b"):
            self.enqueue(type=kind)
        self.assertEqual([job["type"] for job in self.json("list", "--queue", self.queue)], ["b", "b", "a"])
        self.assertEqual(len(self.json("list", "--queue", self.queue, "--type", "b")), 2)
        lines = self.taskq("list", "--queue", self.queue, "-o", "jsonl").splitlines()
        self.assertEqual([json.loads(line)["type"] for line in lines], ["b", "b", "a"])
        table = self.taskq("list", "--queue", self.queue, "-o", "table")
        self.assertEqual(len(table.splitlines()), 4)
        self.assertNotIn("\x1b", table)

    def test_several_ids_are_an_array(self):
        made = [self.enqueue()["id"], self.enqueue()["id"]]
        self.assertEqual([job["id"] for job in self.json("get", *made)], made)
        self.assertEqual(self.json("get", made[0])["id"], made[0])
        self.assertEqual([job["state"] for job in self.json("cancel", *made)], ["canceled", "canceled"])

    def test_a_flag_may_stand_in_the_environment(self):
        done = run("TASKQ_CLI", "enqueue", "t", "--server", self.server.url, "-o", "json", env={"TASKQ_QUEUE": self.queue, "TASKQ_PRIORITY": "5"})
        self.assertEqual((json.loads(done.stdout)["queue"], json.loads(done.stdout)["priority"]), (self.queue, 5))

    def test_a_wait_that_takes_too_long_is_1(self):
        done = run("TASKQ_CLI", "enqueue", "nobody", "--queue", self.queue, "--wait", "--wait-timeout", "300ms", "--server", self.server.url)
        self.assertEqual((done.returncode, done.stdout), (FAILED, ""), done.stderr)

    def test_cancel_retry_and_delete(self):
        made = self.enqueue()
        self.taskq("cancel", made["id"])
        self.taskq("cancel", made["id"], code=CONFLICT)
        self.taskq("retry", made["id"])
        self.taskq("delete", made["id"], code=CONFLICT)
        self.taskq("cancel", made["id"])
        self.taskq("delete", made["id"])
        self.taskq("get", made["id"], code=NOT_FOUND)

    def test_bulk_asks_or_takes_yes_and_says_how_many(self):
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * 12)
        done = run("TASKQ_CLI", "bulk", "cancel", "--queue", self.queue, "--server", self.server.url, stdin="n\n")
        self.assertIn(done.returncode, (FAILED, USAGE))
        self.assertEqual(self.count("queued"), 12)
        done = run("TASKQ_CLI", "bulk", "cancel", "--queue", self.queue, "--yes", "--server", self.server.url)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn("12", done.stdout + done.stderr)
        self.assertEqual(self.count("canceled"), 12)

    def test_queues_pause_resume_and_stats(self):
        self.enqueue()
        self.taskq("pause", self.queue)
        self.assertTrue(self.api.queue(self.queue)["paused"])
        self.taskq("resume", self.queue)
        self.assertFalse(self.api.queue(self.queue)["paused"])
        self.assertIn(self.queue, [queue["name"] for queue in self.json("queues")])
        self.assertIn(self.queue, self.taskq("queues"))
        self.assertIsInstance(self.json("stats"), dict)

    def test_watch_of_a_job_ends_when_it_has_ended(self):
        job = self.enqueue()
        self.api.cancel(job["id"])
        done = run("TASKQ_CLI", "watch", job["id"], "--server", self.server.url)
        self.assertIn(done.returncode, (DONE, FAILED))

    def test_wrong_use_is_2(self):
        for arguments in (["nope"], ["enqueue"], ["enqueue", "t", "{"], ["enqueue", "t", "--priority", "x"], ["enqueue", "t", "--priority", "5000"],
                          ["get"], ["get", "x"], ["list", "--limit", "x"], ["list", "--state", "bogus"], ["--nope"], ["enqueue", "t", "--delay", "5"],
                          ["pause"], ["bulk", "explode", "--yes"], ["list", "-o", "xml"]):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.taskq(*arguments, "--queue", self.queue, code=USAGE) if arguments[0] in ("enqueue", "list")
                                 else self.taskq(*arguments, code=USAGE), "")

    def test_the_environment_names_the_server(self):
        done = run("TASKQ_CLI", "list", "--queue", self.queue, "-o", "json", env={"TASKQ_SERVER": self.server.url})
        self.assertEqual((done.returncode, json.loads(done.stdout)), (DONE, []))


class NoServer(FreshServerCase):
    def test_a_server_out_of_reach_is_5(self):
        for arguments in (["get", "1"], ["enqueue", "t"], ["list"], ["list", "-o", "json"], ["stats"]):
            done = run("TASKQ_CLI", *arguments, "--server", "http://127.0.0.1:1")
            self.assertEqual((done.returncode, done.stdout), (UNREACHABLE, ""), done.stderr)
            self.assertNotIn("no jobs", done.stderr)

    def test_help_and_version_need_no_server(self):
        done = run("TASKQ_CLI", "--help")
        self.assertEqual((done.returncode, done.stderr), (DONE, ""))
        for word in ("enqueue", "get", "list", "watch", "cancel", "retry", "delete", "bulk", "queues", "pause", "resume", "stats"):
            self.assertIn(word, done.stdout)
        done = run("TASKQ_CLI", "--version")
        self.assertEqual(done.returncode, DONE)
        self.assertTrue(re.search(r"\d+\.\d+\.\d+", done.stdout))
        self.assertEqual(run("TASKQ_CLI", "enqueue", "--help").returncode, DONE)
        self.assertEqual(run("TASKQ_CLI").returncode, USAGE)


if __name__ == "__main__":
    unittest.main()
