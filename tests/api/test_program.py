# SPDX-License-Identifier: MIT
"""The taskq-server program: its flags, its environment, its exit codes, its store's lock, copies of the store."""
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import unittest

from harness import EXTERNAL_URL, FreshServerCase, Server, fresh_folder
from program import run

VERSION = re.compile(r"\b\d+\.\d+\.\d+\b")


class Flags(unittest.TestCase):
    def setUp(self):
        self.folder = fresh_folder()
        self.addCleanup(shutil.rmtree, self.folder)

    def server(self, *arguments, env=None):
        return run("TASKQ_SERVER", *arguments, env=env)

    def test_help_and_version_are_on_standard_output(self):
        done = self.server("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for flag in ("--listen", "--db", "--durability", "--insecure", "--max-body", "--max-connections", "--sweep-interval",
                     "--retention", "--retention-failed", "--check", "--backup-to", "--log-format", "--log-level"):
            self.assertIn(flag, done.stdout)
        done = self.server("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, VERSION)

    def test_wrong_use_is_2_and_says_what_is_wrong(self):
        for arguments in (["--nope"], ["positional"], ["--listen"], ["--listen", "nonsense"], ["--listen", "127.0.0.1:99999"],
                          ["--sweep-interval", "5"], ["--sweep-interval", "5 s"], ["--sweep-interval", "-5s"], ["--retention", "x"], ["--retention", "7"],
                          ["--max-body", "10"], ["--max-body", "1MB"], ["--max-body", "1TiB"], ["--durability", "maybe"], ["--max-connections", "x"],
                          ["--log-format", "xml"], ["--log-level", "loud"], ["--insecure=maybe"]):
            with self.subTest(arguments=arguments):
                done = self.server("--db", self.folder / "a.db", *arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertTrue(any(word.lstrip("-").split("=")[0] in done.stderr for word in arguments), done.stderr)

    def test_an_address_that_others_reach_needs_insecure(self):
        for address in ("0.0.0.0:0", "[::]:0"):
            done = self.server("--db", self.folder / "a.db", "--listen", address)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn("insecure", done.stderr)

    def test_a_store_that_cannot_be_opened_is_1(self):
        done = self.server("--db", "/nonexistent/taskq.db", "--listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("/nonexistent/taskq.db", done.stderr)

    def test_a_wrong_environment_is_2_and_names_the_variable(self):
        done = self.server("--db", self.folder / "a.db", env={"TASKQ_SWEEP_INTERVAL": "5"})
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("TASKQ_SWEEP_INTERVAL", done.stderr)


class APort(FreshServerCase):
    def test_a_port_that_is_taken_is_1(self):
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        folder = fresh_folder()
        self.addCleanup(shutil.rmtree, folder)
        done = run("TASKQ_SERVER", "--db", folder / "a.db", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(str(taken.getsockname()[1]), done.stderr)

    def test_the_environment_sets_what_no_flag_sets(self):
        server = self.fresh_server(env={"TASKQ_MAX_BODY": "1KiB", "TASKQ_LOG_FORMAT": "json", "TASKQ_LOG_LEVEL": "info"})
        self.assertEqual(self.client_of(server).post("/jobs", {"type": "t", "payload": "x" * 2000}).status, 413)
        server.stop()
        server.arguments = ("--max-body", "8KiB")
        server.start()
        self.assertEqual(self.client_of(server).post("/jobs", {"type": "t", "payload": "x" * 2000}).status, 201)
        server.stop()

    def test_sigint_ends_it_as_sigterm_does(self):
        server = self.fresh_server()
        server.program.stop(signal.SIGINT)

    def test_sighup_leaves_it_serving(self):
        server = self.fresh_server()
        api = self.client_of(server)
        for _ in range(3):
            server.program.send_signal(signal.SIGHUP)
            api.enqueue(type="t")
        server.stop()

    def test_nothing_but_listening_lines_is_on_standard_output(self):
        server = self.fresh_server()
        self.client_of(server).enqueue(type="t")
        pipe = server.program.process.stdout
        os.set_blocking(pipe.fileno(), False)
        server.program.send_signal(signal.SIGTERM)
        server.program.process.wait(60)
        self.assertIn(pipe.read(), (b"", None))

    def test_health_checks_stand_in_no_log_and_other_requests_do(self):
        server = self.fresh_server("--log-level", "debug", "--log-format", "json")
        api = self.client_of(server)
        for _ in range(20):
            api.get("/livez")
            api.get("/readyz")
        request_id = api.get("/jobs/424242").headers["X-Request-Id"]
        server.stop()
        log = server.program.log()
        self.assertNotIn("/livez", log)
        self.assertNotIn("/readyz", log)
        self.assertIn(request_id, log)


class TheStore(FreshServerCase):
    def setUp(self):
        super().setUp()
        if "TASKQ_TEST_DB" in os.environ:
            self.skipTest("these are about a store that is a file")

    def second(self, db, *arguments):
        return run("TASKQ_SERVER", "--db", db, *(arguments or ("--listen", "127.0.0.1:0")))

    def test_a_second_server_is_refused_by_any_name_of_the_file(self):
        server = self.fresh_server()
        path = pathlib.Path(server.db)
        (path.parent / "link.db").symlink_to(path)
        (path.parent / "here").symlink_to(path.parent)
        for name in (path, path.parent / "link.db", path.parent / "here" / path.name, path.parent / "." / ".." / path.parent.name / path.name):
            with self.subTest(name=name):
                done = self.second(name)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, "(?i)another|in use|already|locked")
        self.client_of(server).enqueue(type="t")
        server.stop()

    def test_the_lock_is_free_after_a_kill(self):
        server = self.fresh_server()
        server.kill()
        server.start()
        server.stop()

    def test_check_works_beside_a_running_server_and_alone(self):
        server = self.fresh_server()
        self.client_of(server).enqueue(type="t")
        for _ in range(2):
            done = self.second(server.db, "--check")
            self.assertEqual(done.returncode, 0, done.stderr)
            if server.program.is_running():
                server.stop()

    def test_check_says_what_is_wrong(self):
        folder = fresh_folder()
        self.addCleanup(shutil.rmtree, folder)
        (folder / "garbage.db").write_bytes(b"this is no database, not at all" * 200)
        done = self.second(folder / "garbage.db", "--check")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("garbage.db", done.stderr)
        self.assertEqual(self.second(folder / "garbage.db").returncode, 1)
        self.assertEqual(self.second(folder / "garbage.db", "--check", "--sweep-interval", "5").returncode, 2)

    def test_check_says_that_a_store_could_not_be_made(self):
        done = self.second("/nonexistent/taskq.db", "--check")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("/nonexistent", done.stderr)

    def test_every_flag_has_its_environment_variable(self):
        server = self.fresh_server()
        done = run("TASKQ_SERVER", "--db", server.db, env={"TASKQ_CHECK": "1"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ok", done.stdout)

    def test_a_copy_made_beside_a_running_server_is_a_whole_store(self):
        server = self.fresh_server()
        api = self.client_of(server)
        made = api.enqueue_many([{"type": "t", "queue": self.queue, "payload": {"n": i}} for i in range(500)])
        api.succeed(api.claim(self.queue), result={"r": 1})
        copy = server.folder / "copy.db"
        done = self.second(server.db, "--backup-to", copy)
        self.assertEqual(done.returncode, 0, done.stderr)
        api.enqueue(type="later", queue=self.queue)
        with sqlite3.connect(copy) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        database.close()
        other = Server()
        self.addCleanup(other.discard)
        other.db = str(copy)
        other.start()
        found = self.client_of(other).all_jobs(queue=self.queue, limit=1000)
        self.assertEqual(sorted(job["id"] for job in found), [job["id"] for job in made])
        self.assertEqual([job["result"] for job in found if job["state"] == "succeeded"], [{"r": 1}])
        other.stop()
        server.stop()

    def test_a_copy_is_not_written_over_a_file_or_into_nothing(self):
        server = self.fresh_server()
        taken = server.folder / "taken"
        taken.write_text("precious")
        done = self.second(server.db, "--backup-to", taken)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(taken.read_text(), "precious")
        self.assertEqual(self.second(server.db, "--backup-to", "/nonexistent/copy.db").returncode, 1)
        server.stop()

    def test_both_durabilities_keep_what_was_acknowledged_over_a_kill(self):
        for durability in ("full", "relaxed"):
            with self.subTest(durability=durability):
                server = self.fresh_server("--durability", durability)
                made = self.client_of(server).enqueue(type="t")
                server.kill()
                server.start()
                self.assertEqual(self.client_of(server).job(made["id"])["id"], made["id"])
                server.stop()

    def test_the_database_file_is_sound_after_a_graceful_end(self):
        server = self.fresh_server()
        self.client_of(server).enqueue(type="t")
        server.stop()
        with sqlite3.connect(f"file:{server.db}?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        database.close()


if EXTERNAL_URL:
    del Flags


if __name__ == "__main__":
    unittest.main()
