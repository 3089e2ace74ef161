# SPDX-License-Identifier: MIT
"""Taking an SQLite store over into PostgreSQL, with a real server of each: what the tests of it have in common."""
import os
import shutil
import unittest

from harness import Server, fresh_folder, fresh_name
from postgres import Postgres
from program import Program, executable, run

# Rows whose id stands in `gate` wait in the middle of their page until it is taken out.
GATE = """
CREATE TABLE gate (id bigint);
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    WHILE EXISTS (SELECT FROM public.gate WHERE id = NEW.id) LOOP PERFORM pg_sleep(0.02); END LOOP;
    RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON "{schema}".jobs FOR EACH ROW EXECUTE FUNCTION wait_at_gate();
"""


class MoveCase(unittest.TestCase):
    on_disk = False

    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres(disk=cls.on_disk).start()
        cls.addClassCleanup(cls.postgres.close)

    def setUp(self):
        self.folder = fresh_folder(fast=not self.on_disk)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.schema = fresh_name("t").replace("-", "_")
        self.database = self.schema
        self.url = self.postgres.create_database(self.database)
        self.path = self.folder / "taskq.db"

    def client_of(self, server):
        client = server.client()
        self.addCleanup(client.close)
        return client

    def server(self, db, *arguments):
        server = Server(*arguments, folder=self.folder)
        server.db, server.db_options = str(db), ["--db-schema", self.schema] if db == self.url else []
        self.addCleanup(server.discard)
        return server.start()

    def old_server(self, *arguments):
        return self.server(self.path, *arguments)

    def new_server(self, *arguments):
        return self.server(self.url, *arguments)

    def flags(self, path=None, schema=None):
        return ["--db", self.url, "--db-schema", schema or self.schema, "--import", str(path or self.path), "--log-format", "text"]

    def take_over(self, path=None, schema=None):
        return run("TASKQ_SERVER", *self.flags(path, schema), timeout=600)

    def assert_taken_over(self, jobs):
        done = self.take_over()
        self.assertEqual((0, f"{jobs} jobs of "), (done.returncode, done.stdout[:len(f"{jobs} jobs of ")]), done.stderr)
        return done

    # Stopped in the middle

    def set_gate(self):
        schema = run("TASKQ_SERVER", "--print-schema", "--db-schema", self.schema).stdout
        self.postgres.query(schema, self.database)
        self.postgres.query(GATE.format(schema=self.schema), self.database)

    def start_until(self, job_id):
        """An import that stands at that job."""
        self.postgres.query(f"INSERT INTO gate VALUES ({job_id})", self.database)
        program = Program([executable("TASKQ_SERVER"), *self.flags()], self.folder, "import")
        self.addCleanup(program.kill)
        self.postgres.wait_for("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", "1", self.database)
        return program

    def open_gate(self):
        self.postgres.query("DELETE FROM gate", self.database)

    def rows(self):
        return int(self.postgres.value(f'SELECT count(*) FROM "{self.schema}".jobs', self.database))


def peak_megabytes(command):
    """Runs it to its end; the most memory that it had resident, and its status."""
    pid = os.posix_spawn(command[0], command, {name: value for name, value in os.environ.items() if not name.startswith("TASKQ_")},
                         file_actions=[(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_WRONLY, 0) for number in (1, 2)])
    status, used = os.wait4(pid, 0)[1:]
    return used.ru_maxrss >> 10, os.waitstatus_to_exitcode(status)
