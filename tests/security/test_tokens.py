# SPDX-License-Identifier: MIT
"""Tokens as an operator and a client meet them: made, listed, rotated, revoked, read again, refused, counted."""
import json
import os
import stat
import threading
import unittest

from guarded import KEPT, GuardedCase
from program import run
from tokens import FORM

USAGE, NOT_FOUND, CONFLICT, DENIED = 2, 3, 4, 6


class Command(GuardedCase):
    def test_create_prints_the_secret_alone_and_keeps_its_hash(self):
        done = self.tokens.run("create", "--role", "worker", "--name", "mail-1", "--queues", "a,b", "--expires", "90d")
        self.assertRegex(done.stdout, rf"^{FORM}\n$")
        self.assertEqual((done.stderr, done.stdout[:5]), ("", "tq_w_"))
        text = self.tokens.path.read_text()
        self.assertNotIn(done.stdout[5:69], text)
        entry = json.loads(text)
        self.assertEqual((entry["name"], entry["role"], entry["queues"]), ("mail-1", "worker", ["a", "b"]))
        self.assertEqual(stat.S_IMODE(os.stat(self.tokens.path).st_mode), 0o600)

    def test_list_shows_what_there_is_and_no_secret(self):
        secrets = [self.tokens.create("admin", "a"), self.tokens.create("viewer", "b", "--queues", "q")]
        for form in ("table", "json", "jsonl", "id"):
            out = self.tokens.done("list", "-o", form)
            for secret in secrets:
                self.assertNotIn(secret[5:69], out)
        listed = json.loads(self.tokens.done("list", "-o", "json"))
        self.assertEqual([(one["name"], one["role"], one["queues"]) for one in listed], [("a", "admin", []), ("b", "viewer", ["q"])])

    def test_wrong_use_says_so_and_changes_nothing(self):
        self.tokens.create("admin", "a")
        before = self.tokens.path.read_bytes()
        for code, *words in ((CONFLICT, "create", "--role", "viewer", "--name", "a"), (USAGE, "create", "--role", "viewer"),
                             (USAGE, "create", "--role", "boss", "--name", "b"), (USAGE, "create", "--name", "b"),
                             (USAGE, "create", "--role", "viewer", "--name", "b c"), (USAGE, "create", "--role", "viewer", "--name", "b", "--queues", ""),
                             (USAGE, "create", "--role", "viewer", "--name", "b", "--queues", "x,,y"),
                             (USAGE, "create", "--role", "viewer", "--name", "b", "--expires", "90"),
                             (NOT_FOUND, "revoke", "--name", "b"), (NOT_FOUND, "rotate", "--name", "b"), (USAGE, "forget", "--name", "a")):
            done = self.tokens.run(*words)
            self.assertEqual((done.returncode, done.stdout), (code, ""), f"{words}: {done.stderr}")
            self.assertTrue(done.stderr)
        self.assertEqual(self.tokens.path.read_bytes(), before)
        self.assertEqual(run("TASKQ_CLI", "token", "list").returncode, USAGE)

    def test_twenty_who_add_at_once_lose_none(self):
        threads = [threading.Thread(target=self.tokens.create, args=("worker", f"w{n}")) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({one["name"] for one in json.loads(self.tokens.done("list", "-o", "json"))}, {f"w{n}" for n in range(20)})
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["tokens"])


class AtTheStart(GuardedCase):
    def start(self, *arguments):
        return run("TASKQ_SERVER", "--db", self.folder / "x.db", "--listen", "127.0.0.1:0", "--tokens", self.tokens.path, *arguments)

    def test_a_file_that_is_not_there_or_that_others_can_read_or_that_is_broken_is_refused(self):
        self.assertIn("No such file", self.start().stderr)
        self.tokens.create("admin")
        self.tokens.path.chmod(0o644)
        done = self.start()
        self.assertIn("chmod 600", done.stderr)
        self.assertNotEqual(done.returncode, 0)
        self.tokens.path.chmod(0o600)
        with open(self.tokens.path, "a", encoding="utf-8") as file:
            file.write('{"name": "x"}\n')
        for more in ((), ("--check",)):
            done = self.start(*more)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("line 2", done.stderr)
        self.assertFalse((self.folder / "x.db").exists())

    def test_with_tokens_any_address_may_be_listened_on_and_missing_tls_is_said_loudly(self):
        done = run("TASKQ_SERVER", "--db", self.folder / "x.db", "--listen", "0.0.0.0:0")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("--insecure", done.stderr)
        server = self.guarded_server(listen="0.0.0.0:0")
        self.assertIn("INSECURE: without TLS", server.program.log())
        server = self.fresh_server("--insecure", listen="0.0.0.0:0")
        self.assertIn("INSECURE: there are no tokens", server.program.log())


class Asking(GuardedCase):
    def test_no_token_a_wrong_one_and_another_scheme_are_401_and_told_how(self):
        server = self.guarded_server()
        plain = self.as_(server).get("/jobs")
        self.assertEqual((plain.status, plain.slug, plain.headers["WWW-Authenticate"]), (401, "unauthorized", 'Bearer realm="taskq"'))
        for header in (f"Bearer {self.admin[:-1]}", f"Bearer {self.admin}x", f"Bearer {self.admin[:-1]}{'0' if self.admin[-1] != '0' else '1'}",
                       "Bearer ", "Basic YTpi", self.admin, f"Bearer {self.admin} {self.admin}", "Bearer \xff"):
            reply = self.as_(server).get("/jobs", {"Authorization": header})
            self.assertEqual(reply.status, 401, header)
            self.assertIn("invalid_token", reply.headers["WWW-Authenticate"])
        self.assertEqual(self.as_(server).get("/jobs", {"Authorization": f"bearer  {self.admin}"}).status, 200)

    def test_a_token_in_the_query_is_none(self):
        server = self.guarded_server()
        self.assertEqual(self.as_(server).get(f"/jobs?access_token={self.admin}").status, 401)

    def test_a_foreign_host_and_origin_are_taken_where_a_token_is_sent(self):
        server = self.guarded_server()
        reply = self.as_(server, self.admin).get("/jobs", {"Host": "taskq.example.com", "Origin": "https://elsewhere.example"})
        self.assertEqual(reply.status, 200)

    def test_an_expired_token_is_refused_without_a_reload(self):
        short = self.tokens.create("admin", "short", "--expires", "1s")
        server = self.guarded_server()
        client = self.as_(server, short)
        while (reply := client.get("/jobs")).status == 200:
            pass
        self.assertEqual((reply.status, reply.slug), (401, "unauthorized"))

    def test_wrong_tokens_are_slowed_down_and_counted_and_right_ones_are_served_beside_them(self):
        self.admin = self.tokens.create("admin")
        server = self.guarded_server()
        statuses = [self.as_(server, "wrong").get("/jobs") for _ in range(40)]
        self.assertEqual({reply.status for reply in statuses[:10]}, {401})
        self.assertEqual(statuses[-1].status, 429)
        self.assertGreaterEqual(int(statuses[-1].headers["Retry-After"]), 1)
        self.assertEqual(self.as_(server, self.admin).get("/jobs").status, 200)
        found = self.refusals(server, self.admin)
        self.assertEqual(found["unauthorized"] + found["throttled"], 40)
        self.assertGreater(found["throttled"], 20)

    def test_the_secret_stands_in_no_log_and_no_answer(self):
        server = self.guarded_server("--log-level", "debug")
        self.as_(server, self.admin).enqueue(type="t")
        wrong = self.admin[:-1] + ("0" if self.admin[-1] != "0" else "1")
        self.assertNotIn(self.admin[5:69].encode(), self.as_(server, wrong).get("/jobs").body)
        server.stop()
        for path in server.folder.iterdir():
            self.assertNotIn(self.admin[5:69].encode(), path.read_bytes(), path)

    def test_an_idempotency_key_belongs_to_its_token(self):
        first, second = self.tokens.create("producer", "one"), self.tokens.create("producer", "two")
        server = self.guarded_server()
        key = {"Idempotency-Key": "k"}
        made = [self.as_(server, secret).expect(201, "POST", "/jobs", {"type": "t"}, key).json["id"] for secret in (first, second, first)]
        self.assertEqual(made[0], made[2])
        self.assertNotEqual(made[0], made[1])


class Reloading(GuardedCase):
    def test_a_token_made_later_counts_and_a_revoked_one_does_not(self):
        server = self.guarded_server()
        late = self.tokens.create("viewer", "late")
        self.assertEqual(self.as_(server, late).get("/jobs").status, 401)
        self.reload(server)
        self.assertEqual(self.as_(server, late).get("/jobs").status, 200)
        self.tokens.revoke("late")
        self.reload(server)
        self.assertEqual(self.as_(server, late).get("/jobs").status, 401)

    def test_a_broken_file_keeps_the_old_tokens_and_says_so(self):
        server = self.guarded_server()
        good = self.tokens.path.read_text()
        for bad in ("{", good + "nonsense\n", None):
            if bad is None:
                self.tokens.path.unlink()
            else:
                self.tokens.path.write_text(bad)
            self.reload(server, KEPT)
            self.assertEqual(self.as_(server, self.admin).get("/jobs").status, 200)
        self.tokens.path.write_text(good)
        self.tokens.path.chmod(0o644)
        self.reload(server, KEPT)
        self.assertEqual(self.as_(server, self.admin).get("/jobs").status, 200)

    def test_a_poll_that_is_held_gives_no_job_to_a_token_that_was_revoked(self):
        worker, producer = self.tokens.create("worker"), self.tokens.create("producer")
        server = self.guarded_server()
        sock = self.raw_to(server)
        sock.request("GET /next-job?wait=5 HTTP/1.1", f"Authorization: Bearer {worker}")
        admin = self.as_(server, self.admin)
        while admin.get("/stats").json["held_polls"] == 0:
            pass
        self.tokens.revoke("worker")
        self.reload(server)
        job = self.as_(server, producer).enqueue(type="t")
        self.assertIn(sock.read_reply().status, (204, 401))
        self.assertEqual(admin.job(job["id"])["state"], "queued")

    def test_rotations_under_load_lose_no_request(self):
        secret = self.tokens.create("producer", "p")
        server = self.guarded_server()
        statuses, stop = [], threading.Event()
        current = [secret]

        def ask():
            while not stop.is_set():
                statuses.append(self.as_(server, current[0]).post("/jobs", {"type": "t"}).status)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            fresh = self.tokens.rotate("p", "--overlap", "1h")
            self.reload(server)
            current[0] = fresh
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(set(statuses), {201})
        self.assertGreater(len(statuses), 20)
        self.assertEqual(self.as_(server, secret).post("/jobs", {"type": "t"}).status, 201)


if __name__ == "__main__":
    unittest.main()
