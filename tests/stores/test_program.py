# SPDX-License-Identifier: MIT
"""What taskq-server says and does about a PostgreSQL store, beside serving it."""
import os
import signal
import time
import unittest

from harness import fresh_name
from moving import MoveCase
from program import run
from waiting import wait_until


class Program(MoveCase):
    def check(self, *more, env=None):
        return run("TASKQ_SERVER", "--db", self.url, "--db-schema", self.schema, "--check", *more, env=env)

    def test_check_tells_what_is_there_and_makes_nothing(self):
        for _ in range(2):
            done = self.check()
            self.assertEqual((0, f"ok: {self.schema} is not there yet and would be made\n"), (done.returncode, done.stdout))
        self.new_server().stop()
        done = self.check()
        self.assertEqual(0, done.returncode)
        self.assertRegex(done.stdout, f"ok: PostgreSQL .* at 127.0.0.1:{self.postgres.port}, database {self.database}, schema {self.schema}\n")

    def test_a_server_that_starts_before_its_database_says_why_it_ends_and_nothing_else(self):
        for url, word in (("postgresql://postgres@127.0.0.1:1/x", "refused"), ("service=no-such-service", "no-such-service"),
                          (self.postgres.url("nowhere"), "nowhere")):
            done = run("TASKQ_SERVER", "--db", url, "--listen", "127.0.0.1:0")
            self.assertEqual((1, "", 1), (done.returncode, done.stdout, len(done.stderr.splitlines())), done.stderr)
            self.assertIn(word, done.stderr)

    def test_the_address_may_stand_in_the_environment(self):
        done = run("TASKQ_SERVER", env={"TASKQ_DB": self.url, "TASKQ_DB_SCHEMA": self.schema, "TASKQ_CHECK": "1"})
        self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_no_password_is_ever_said(self):
        for url in (f"postgresql://postgres:hidden@127.0.0.1:{self.postgres.port}/nowhere", "postgresql://postgres:hidden@127.0.0.1:1/x",
                    f"host=127.0.0.1 port={self.postgres.port} user=nobody password=hidden dbname=nowhere"):
            done = run("TASKQ_SERVER", "--db", url, "--listen", "127.0.0.1:0")
            self.assertEqual((1, ""), (done.returncode, done.stdout))
            self.assertNotIn("hidden", done.stderr)

    def test_what_is_another_stores_is_refused(self):
        for arguments, word in ((["--durability", "relaxed"], "--durability"), (["--backup-to", "copy"], "--backup-to"),
                                (["--db-schema", "no-such name"], "schema")):
            done = run("TASKQ_SERVER", "--db", self.url, "--listen", "127.0.0.1:0", *arguments)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn(word, done.stderr)

    def test_what_is_postgresqls_is_refused_for_sqlite(self):
        for arguments in (["--db-schema", "foo"], ["--db-pooled"]):
            for more in ([], ["--check"]):
                done = run("TASKQ_SERVER", "--db", self.path, *arguments, *more)
                self.assertEqual((2, ""), (done.returncode, done.stdout))
                self.assertIn(f"{arguments[0]} is PostgreSQL's", done.stderr)
        self.assertFalse(self.path.exists())
        self.assertEqual(0, run("TASKQ_SERVER", "--print-schema", "--db-schema", "foo").returncode)

    def test_an_address_that_is_none_of_ours_is_no_files_name(self):
        for scheme in ("POSTGRESQL", "Postgres", "postgres-ql", "mysql", "file", " postgresql", ""):
            done = run("TASKQ_SERVER", "--db", f"{scheme}://me:hidden@127.0.0.1:1/x", "--check")
            self.assertEqual((2, ""), (done.returncode, done.stdout))
            self.assertIn("--db: of addresses there are postgresql:// and postgres://", done.stderr)
            self.assertNotIn("hidden", done.stderr)
        (self.folder / "a:").mkdir()
        self.assertEqual(0, run("TASKQ_SERVER", "--db", f"{self.folder}/a://b", "--check").returncode)

    def test_check_names_what_a_role_lacks(self):
        role = fresh_name("role").replace("-", "_")
        self.new_server().stop()
        self.postgres.query(f'CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA "{self.schema}" TO {role}; '
                            f'GRANT SELECT ON "{self.schema}".meta TO {role}', self.database)
        self.url = self.postgres.url(self.database, user=role)
        for done in (self.check(), run("TASKQ_SERVER", "--db", self.url, "--db-schema", self.schema, "--listen", "127.0.0.1:0")):
            self.assertEqual((1, ""), (done.returncode, done.stdout))
            self.assertIn("lacks SELECT on jobs", done.stderr)
            self.assertIn("--print-schema", done.stderr)

    def test_a_role_of_lesser_rights_works_in_a_printed_schema(self):
        role = fresh_name("role").replace("-", "_")
        text = run("TASKQ_SERVER", "--print-schema", "--db-schema", self.schema).stdout
        self.postgres.query(text, self.database)
        grants = [line.removeprefix("-- ") for line in text.splitlines() if line.startswith("-- GRANT")]
        self.assertTrue(grants)
        self.postgres.query(f"CREATE ROLE {role} LOGIN;" + "\n".join(grants).replace("taskq_server", role), self.database)
        self.url = self.postgres.url(self.database, user=role)
        api = self.client_of(self.new_server())
        made = api.enqueue(type="t", queue="q")
        self.assertEqual("succeeded", api.succeed(api.claim("q"))["state"])
        api.expect(204, "DELETE", f"/jobs/{made['id']}")

    def test_a_server_without_its_database_says_so_and_is_well_again_with_it(self):
        server = self.new_server()
        api = self.client_of(server)
        self.addCleanup(lambda: self.postgres.is_running() or self.postgres.start())
        self.postgres.stop("immediate")
        wait_until(lambda: api.health("/readyz").status == 503, what="a server that is not ready")
        health = run("TASKQ_SERVER", "--listen", server.url.rpartition("/")[2], "--health")
        self.assertEqual((1, ""), (health.returncode, health.stdout))
        self.assertEqual(503, api.post("/jobs", {"type": "t"}).status)
        self.postgres.start()
        wait_until(lambda: api.health("/readyz").status == 200, timeout=60, what="a server that is ready again")
        api.enqueue(type="t")
        server.stop()

    def test_a_silent_notification_connection_holds_up_nothing_that_is_due(self):
        api = self.client_of(self.new_server())
        pid = int(self.postgres.value("SELECT pid FROM pg_stat_activity WHERE application_name = 'taskq notify'", self.database))
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        began = time.monotonic()
        api.enqueue(type="t", queue="told")  # of which the others are to hear
        api.enqueue(type="t", queue="due", delay_ms=1000)
        self.assertIsNotNone(api.claim("due", wait=30))
        self.assertLess(time.monotonic() - began, 9)  # it was to answer within one second; any other would have ten

    def test_a_standby_on_which_nobody_may_listen_is_not_asked_all_the_time(self):
        standby = self.postgres.standby(synchronous=False, name=fresh_name("standby"))
        self.addCleanup(lambda: self.postgres.is_running() or self.postgres.start())
        self.url = self.postgres.url(self.database, others=[standby], target_session_attrs="any")
        self.new_server()
        self.postgres.stop("immediate")

        def refused():
            return standby.log().count("cannot execute LISTEN during recovery")
        wait_until(lambda: refused() > 0, timeout=60, what="a standby that was asked to listen")
        began, before = time.monotonic(), refused()
        wait_until(lambda: refused() > before + 5, timeout=60, what="that it is tried again and again")
        self.assertLess(refused() - before, 5 + 4 * (time.monotonic() - began))

    def test_its_figures_are_in_stats(self):
        server = self.new_server()
        api = self.client_of(server)
        api.enqueue(type="t")
        found = api.get("/stats").json["store"]
        self.assertEqual([], [name for name, value in found.items() if not isinstance(value, int) or value < 0])
        for name in ("connections_lost", "notifications_sent", "notifications_received"):
            self.assertIn(name, found)
        self.assertEqual(0, found["connections_lost"])
        self.postgres.query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'taskq commit'")
        api.enqueue(type="t")
        self.assertGreater(api.get("/stats").json["store"]["connections_lost"], 0)
        server.stop()

    @unittest.skipUnless(os.environ.get("TASKQ_LONG"), "takes its time")
    def test_who_holds_a_snapshot_is_named(self):
        server = self.new_server()
        api = self.client_of(server)

        def told():
            api.enqueue(type="t")
            return api.get("/stats").json["store"]["held_snapshot_ms"] >= 30000
        with self.postgres.held_snapshot(self.database, name="the-culprit") as pid:
            wait_until(told, timeout=90, what="a figure that tells of the snapshot")
        log = server.program.log()
        self.assertIn("an old snapshot is held", log)
        self.assertIn("the-culprit", log)
        self.assertIn(pid, log)


if __name__ == "__main__":
    unittest.main()
