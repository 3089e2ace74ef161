# SPDX-License-Identifier: MIT
"""TLS as clients, workers and attackers meet it: what is agreed, what is refused, and certificates exchanged under load."""
import http.client
import os
import shutil
import socket
import ssl
import struct
import threading
import time
import unittest

from certificates import Authority, openssl
from guarded import KEPT, GuardedCase
from harness import Worker
from program import run
from waiting import wait_until

USAGE, FAILED, UNREACHABLE = 2, 1, 5


class AtTheStart(GuardedCase):
    """Whatever is wrong with the files is said at the start, never by a crash at the first handshake."""

    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder / "pki")
        self.good = self.authority.issue("server")

    def refused(self, *arguments):
        for more in ((), ("--check",)):
            done = run("TASKQ_SERVER", "--db", self.folder / "x.db", "--listen", "127.0.0.1:0", *arguments, *more)
            self.assertIn(done.returncode, (USAGE, FAILED), done.stderr)
            self.assertEqual(done.stdout, "")
        return done.stderr

    def test_a_key_that_does_not_fit_an_expired_certificate_and_one_of_tomorrow(self):
        other = self.authority.issue("other")
        rsa = self.authority.issue("rsa", kind="rsa")
        for key in (other.key, rsa.key):
            self.assertIn("does not fit", self.refused("--tls-cert", self.good.cert, "--tls-key", key))
        old = self.authority.issue("old", end="20210101000000Z")
        self.assertIn("has expired", self.refused(*old.flags()))
        ahead = self.authority.issue("ahead", start="20480101000000Z")
        self.assertIn("not valid yet", self.refused(*ahead.flags()))

    def test_files_that_are_not_there_or_not_what_they_should_be(self):
        nothing, junk = self.folder / "nothing", self.folder / "junk"
        junk.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        for cert, key in ((nothing, self.good.key), (junk, self.good.key), (self.good.key, self.good.key), (self.folder, self.good.key)):
            self.assertIn("the certificate cannot be read", self.refused("--tls-cert", cert, "--tls-key", key))
        for key in (nothing, junk, self.good.cert):
            self.assertIn("the key cannot be read", self.refused("--tls-cert", self.good.cert, "--tls-key", key))
        for authority in (nothing, junk, self.good.key):
            self.assertIn("client authorities", self.refused(*self.good.flags(), "--tls-client-ca", authority))

    def test_a_key_with_a_passphrase_is_not_waited_for(self):
        locked = self.folder / "locked.key"
        openssl("pkey", "-in", self.good.key, "-aes256", "-passout", "pass:secret", "-out", locked)
        self.assertIn("passphrase", self.refused("--tls-cert", self.good.cert, "--tls-key", locked))

    def test_options_that_need_each_other(self):
        self.assertIn("--tls-key", self.refused("--tls-cert", self.good.cert))
        self.assertIn("--tls-cert", self.refused("--tls-key", self.good.key))
        self.assertIn("--tls-cert", self.refused("--tls-client-ca", self.authority.cert))


class Agreed(GuardedCase):
    def test_only_1_2_and_1_3_are_spoken_and_answers_say_so_to_browsers(self):
        server = self.tls_server()
        self.assertTrue(server.url.startswith("https://"))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context()
            context.minimum_version = context.maximum_version = version
            reply = self.as_(server, context=context).get("/livez")
            self.assertEqual((reply.status, reply.headers["Strict-Transport-Security"]), (200, "max-age=31536000"))
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError):
            self.raw_to(server, old)

    def test_weak_ciphers_are_not(self):
        server = self.tls_server()
        for ciphers in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-SHA", "aNULL:eNULL:@SECLEVEL=0"):
            context = self.context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
            with self.assertRaises(ssl.SSLError, msg=ciphers):
                self.raw_to(server, context)

    def test_plain_http_to_the_port_is_told_and_junk_is_closed(self):
        server = self.tls_server()
        port = int(server.url.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/livez")
        reply = connection.getresponse()
        self.assertEqual(reply.status, 400)
        self.assertIn(b"TLS", reply.read())
        for junk in (b"\x00" * 64, b"\x16\x03\x01\xff\xff" + os.urandom(64), b"\x80\x2e\x01\x00\x02", os.urandom(4096)):
            with socket.create_connection(("127.0.0.1", port), 30) as sock:
                try:
                    sock.sendall(junk)
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(4096):
                        pass
                except OSError:  # it was reset
                    pass
        self.assertEqual(self.as_(server, context=self.context()).get("/livez").status, 200)
        self.assertGreaterEqual(self.refusals(server, context=self.context())["handshake_failed"], 3)

    def test_large_bodies_and_answers_and_held_polls_work(self):
        server = self.tls_server()
        api = self.as_(server, context=self.context())
        job = api.enqueue(type="t", payload={"text": "x" * 1000000})
        self.assertEqual(len(api.job(job["id"])["payload"]["text"]), 1000000)
        api.cancel(job["id"])
        held = []
        thread = threading.Thread(target=lambda: held.append(self.as_(server, context=self.context()).claim("default", wait=30)))
        thread.start()
        wait_until(lambda: api.get("/stats").json["held_polls"] == 1)
        made = api.enqueue(type="t")
        thread.join()
        self.assertEqual(held[0]["id"], made["id"])

    def test_a_client_that_is_gone_is_given_no_job(self):
        server = self.tls_server()
        api = self.as_(server, context=self.context())
        sock = self.raw_to(server, self.context())
        sock.request("GET /next-job?wait=30 HTTP/1.1")
        wait_until(lambda: api.get("/stats").json["held_polls"] == 1)
        sock.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        job = api.enqueue(type="t")
        wait_until(lambda: api.get("/stats").json["held_polls"] == 0)
        self.assertEqual(api.job(job["id"])["state"], "queued")


class SilentSockets(GuardedCase):
    def test_one_that_says_nothing_is_ended_and_counted(self):
        server = self.tls_server("--handshake-timeout", "500ms")
        sock = self.raw_to(server)
        started = time.monotonic()
        self.assertTrue(sock.is_closed_by_peer())
        self.assertLess(time.monotonic() - started, 30)
        self.assertEqual(self.refusals(server, context=self.context())["handshake_time"], 1)

    def test_one_that_trickles_is_too(self):
        server = self.tls_server("--handshake-timeout", "1s")
        sock = self.raw_to(server)
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500
        closed = False
        for byte in hello:
            try:
                sock.send(bytes([byte]))
                sock.socket.settimeout(0.05)
                closed = sock.socket.recv(1) == b""
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                closed = True
            if closed:
                break
        self.assertTrue(closed)

    def test_many_hold_up_nobody(self):
        server = self.tls_server("--max-handshakes", "8", "--handshake-timeout", "60s", "--max-connections", "32")
        for _ in range(60):
            self.raw_to(server)
        api = self.as_(server, context=self.context())
        # The bound is on those who are not agreed: they make room as the oldest are put out.
        wait_until(lambda: self.tries(api), what="a healthy client is served")
        self.assertGreater(self.refusals(server, context=self.context())["handshakes"], 0)

    def tries(self, api):
        try:
            return api.get("/livez").status == 200
        except (OSError, http.client.HTTPException):
            return False


class ClientCertificates(GuardedCase):
    def test_none_a_foreign_one_and_an_expired_one_do_not_come_in(self):
        server = self.mutual_server()
        foreign = Authority(self.folder / "foreign").issue("tester")
        expired = self.authority.issue("expired", end="20210101000000Z")
        for client in (None, foreign, expired):
            with self.assertRaises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                self.as_(server, context=self.context(client)).get("/livez")
        self.assertEqual(self.as_(server, context=self.context(self.authority.issue("tester"))).get("/jobs").status, 200)

    def mutual_server(self, *arguments):
        return self.tls_server("--tls-client-ca", self.folder / "pki" / "ca.pem", *arguments)

    def test_the_name_counts_as_the_token_of_that_name(self):
        self.tokens.create("viewer", "watcher")
        self.tokens.create("admin", "boss")
        admin = self.tokens.create("admin", "other")
        server = self.mutual_server("--tokens", self.tokens.path)
        watcher, boss, nobody = (self.context(self.authority.issue(name)) for name in ("watcher", "boss", "nobody"))
        self.assertEqual(self.as_(server, context=watcher).get("/jobs").status, 200)
        self.assertEqual(self.as_(server, context=watcher).post("/jobs", {"type": "t"}).status, 403)
        self.assertEqual(self.as_(server, context=boss).post("/jobs", {"type": "t"}).status, 201)
        self.assertEqual(self.as_(server, context=nobody).get("/jobs").status, 401)
        self.assertEqual(self.as_(server, admin, watcher).post("/jobs", {"type": "t"}).status, 201)  # a token that is sent counts
        self.assertEqual(self.as_(server, "wrong", boss).get("/jobs").status, 401)
        self.tokens.revoke("boss")
        self.reload(server)
        self.assertEqual(self.as_(server, context=boss).get("/jobs").status, 401)

    def test_a_page_of_another_site_cannot_use_a_browsers_certificate(self):
        self.tokens.create("admin", "boss")
        server = self.mutual_server("--tokens", self.tokens.path)
        boss = self.as_(server, context=self.context(self.authority.issue("boss")))
        for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
            self.assertEqual(boss.call("POST", "/jobs", {"type": "t"}, headers).status, 403)

    def test_of_two_names_in_one_certificate_neither_counts(self):
        self.tokens.create("admin", "boss")
        server = self.mutual_server("--tokens", self.tokens.path)
        double = self.authority.issue("double", subject="/CN=nobody/CN=boss")
        self.assertEqual(self.as_(server, context=self.context(double)).get("/jobs").status, 401)

    def test_new_authorities_count_from_the_reload_on(self):
        server = self.mutual_server()
        old = self.authority.issue("tester")
        self.assertEqual(self.as_(server, context=self.context(old)).get("/jobs").status, 200)
        fresh = Authority(self.folder / "fresh")
        (self.folder / "pki" / "trust.pem").write_text(self.authority.cert.read_text())
        shutil.copy(self.authority.cert, self.folder / "keep.pem")
        shutil.copy(fresh.cert, self.folder / "pki" / "ca.pem")
        self.reload(server)
        self.authority.cert = self.folder / "keep.pem"
        self.assertEqual(self.as_(server, context=self.context(fresh.issue("tester"))).get("/jobs").status, 200)
        with self.assertRaises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            self.as_(server, context=self.context(old)).get("/jobs")


class Reloading(GuardedCase):
    def shown(self, server):
        with self.raw_to(server, self.context()) as sock:
            return sock.socket.getpeercert()["serialNumber"]

    def exchange(self, fresh):
        shutil.copy(fresh.key, self.certificate.key)
        shutil.copy(fresh.cert, self.certificate.cert)

    def test_new_connections_see_the_new_certificate_and_old_ones_go_on(self):
        server = self.tls_server()
        old = self.as_(server, context=self.context())
        old.get("/livez")
        first, held = self.shown(server), []
        thread = threading.Thread(target=lambda: held.append(self.as_(server, context=self.context()).claim("default", wait=30)))
        thread.start()
        wait_until(lambda: old.get("/stats").json["held_polls"] == 1)
        before = old.connection.sock
        self.exchange(self.authority.issue("server", file="next"))
        self.reload(server)
        self.assertNotEqual(self.shown(server), first)
        job = old.enqueue(type="t")
        thread.join()
        self.assertEqual(held[0]["id"], job["id"])
        self.assertIs(old.connection.sock, before)

    def test_a_certificate_that_will_not_do_leaves_the_old_one(self):
        server = self.tls_server()
        first = self.shown(server)
        for bad in (self.authority.issue("server", file="old", end="20210101000000Z"), None):
            if bad:
                self.exchange(bad)
            else:
                self.certificate.key.write_text("junk")
            self.reload(server, KEPT)
            self.assertEqual(self.shown(server), first)

    def test_under_load_no_connection_is_lost(self):
        server = self.tls_server()
        pair = [self.authority.issue("server", file=f"n{n}") for n in range(2)]
        statuses, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                client = self.as_(server, context=self.context())
                statuses.extend(client.get("/livez").status for _ in range(3))
                client.close()

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for n in range(20):
            self.exchange(pair[n % 2])
            self.reload(server)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(set(statuses), {200})


class OurOwnPrograms(GuardedCase):
    def taskq(self, server, *arguments, env=None):
        return run("TASKQ_CLI", *arguments, "--server", server.url, env=env)

    def test_the_command_verifies_and_has_no_switch_against_it(self):
        server = self.tls_server()
        done = self.taskq(server, "list")
        self.assertEqual((done.returncode, done.stdout), (UNREACHABLE, ""))
        self.assertEqual(self.taskq(server, "list", "--ca-file", self.authority.cert).returncode, 0)
        other = Authority(self.folder / "other").cert
        self.assertEqual(self.taskq(server, "list", "--ca-file", other).returncode, UNREACHABLE)
        for program in ("TASKQ_CLI", "TASKQ_WORKER"):
            help_text = run(program, *(["list"] if program == "TASKQ_CLI" else []), "--help").stdout
            self.assertNotRegex(help_text, r"--(no-verify|skip|insecure|k\b)")

    def test_a_certificate_for_another_name_is_not_taken(self):
        self.authority = Authority(self.folder / "pki")
        (self.authority.folder / "keep").mkdir()
        server = self.tls_server()
        other_name = server.url.replace("127.0.0.1", "127.0.0.2")
        done = run("TASKQ_CLI", "list", "--server", other_name, "--ca-file", self.authority.cert)
        self.assertEqual(done.returncode, UNREACHABLE)

    def test_worker_and_command_work_over_mutual_tls_with_tokens(self):
        worker_token = self.tokens.create("worker")
        self.tokens.create("producer", "cli")
        self.tokens.create("viewer", "unused")
        server = self.tls_server("--tls-client-ca", self.folder / "pki" / "ca.pem", "--tokens", self.tokens.path)
        client = self.authority.issue("cli")
        own = ["--ca-file", self.authority.cert, "--cert", client.cert, "--key", client.key]
        (self.folder / "token").write_text(worker_token + "\n")
        worker = Worker(self.folder, *own, "--token-file", self.folder / "token", server=server.url)
        self.addCleanup(worker.kill)
        done = self.taskq(server, "enqueue", "sleep", '{"duration_ms": 5}', "--wait", *own)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.taskq(server, "list", "--ca-file", self.authority.cert).returncode, UNREACHABLE)
        worker.stop()


if __name__ == "__main__":
    unittest.main()
