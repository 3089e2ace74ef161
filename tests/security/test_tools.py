# SPDX-License-Identifier: MIT
"""Tools that nobody here wrote, on a server with a certificate and tokens: what testssl.sh finds about the TLS, whether load generators get
every answer through it, and (with --long) what sqlmap finds in any parameter."""
import json
import os
import re
import shutil
import subprocess
import unittest

from certificates import Authority
from harness import EXTERNAL_URL, Server, fresh_folder
from program import environment
from tokens import Tokens

LONG = bool(os.environ.get("TASKQ_LONG"))
BAD_SEVERITIES = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}
# As any certificate that one would buy: for half a year, and with a word on where it would be revoked.
EXTENSIONS = "crlDistributionPoints=URI:http://127.0.0.1/crl\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"


def needs(tool, package):
    return unittest.skipUnless(shutil.which(tool), f"needs {tool} (package {package})")


def run(*words, timeout=600, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL, env=environment(options.pop("env", None)), **options)


class ToolCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if EXTERNAL_URL:
            raise unittest.SkipTest("needs a server of its own")
        cls.folder = fresh_folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = Authority(cls.folder / "ca")
        tokens = Tokens(cls.folder)
        cls.token = tokens.create("admin")
        cls.header = f"Authorization: Bearer {cls.token}"
        cls.server = Server("--tokens", tokens.path, *cls.server_flags()).start()
        cls.addClassCleanup(cls.server.finish)

    @classmethod
    def server_flags(cls):
        return cls.authority.issue("server", days=180, extensions=EXTENSIONS).flags()


class Tls(ToolCase):
    @needs("testssl", "testssl.sh")
    def test_testssl_finds_nothing_above_low(self):
        found = self.folder / "testssl.json"
        # With --long everything it knows, the handshakes of three dozen clients among it.
        kinds = [] if LONG else ["--protocols", "--std", "--fs", "--server-defaults", "--headers", "--vulnerable"]
        done = run("testssl", "--quiet", "--warnings", "batch", "--color", "0", "--fast", *kinds, "--jsonfile", found,
                   self.server.url.removeprefix("https://"), env={"ADDITIONAL_CA_FILES": str(self.authority.cert)})
        findings = json.loads(found.read_text())
        self.assertGreater(len(findings), 50, done.stdout)
        self.assertIn("TLS1_3", {one["id"] for one in findings})
        self.assertEqual([one for one in findings if one["severity"] in BAD_SEVERITIES], [])
        print("testssl.sh:", len(findings), "findings,", [one["id"] for one in findings if one["severity"] == "LOW"], "are low")


class Load(ToolCase):
    REQUESTS, CLIENTS = (20000, 32) if LONG else (2000, 16)

    @needs("ab", "apache2-utils")
    def test_ab_gets_every_answer(self):
        for more in (["-k"], []):
            requests = self.REQUESTS if more else self.REQUESTS // 4  # without -k a handshake each
            done = run("ab", "-q", "-l", *more, "-n", requests, "-c", self.CLIENTS, "-H", self.header, f"{self.server.url}/queues")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, rf"Complete requests:\s+{requests}\n")
            self.assertRegex(done.stdout, r"Failed requests:\s+0\n")
            self.assertNotIn("Non-2xx", done.stdout)
            self.assertRegex(done.stdout, r"SSL/TLS Protocol:\s+TLSv1\.[23]")

    @needs("wrk", "wrk")
    def test_wrk_gets_every_answer(self):
        done = run("wrk", "-t", 2, "-c", self.CLIENTS, "-d", "20s" if LONG else "2s", "-H", self.header, f"{self.server.url}/queues")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertGreater(int(re.search(r"(\d+) requests in", done.stdout).group(1)), 100)
        self.assertNotIn("Non-2xx", done.stdout)
        self.assertNotIn("Socket errors", done.stdout)

    @needs("hey", "hey")
    def test_hey_gets_every_answer(self):
        for status, words in ((200, ["-m", "GET"]), (201, ["-m", "POST", "-T", "application/json", "-d", '{"type": "t"}'])):
            path = "/queues" if status == 200 else "/jobs"
            done = run("hey", "-n", self.REQUESTS, "-c", self.CLIENTS, "-H", self.header, *words, f"{self.server.url}{path}")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(re.findall(r"\[(\d+)\]\s+(\d+) responses", done.stdout), [(str(status), str(self.REQUESTS))])
            self.assertNotIn("Error distribution", done.stdout)


@unittest.skipUnless(LONG, "with --long")
class Injection(ToolCase):
    # A star stands behind everything that is put something else in place of.
    TARGETS = [
        ["-u", "/jobs?state=queued&queue=q*&type=t*&tag=a*&worker=w*&limit=10*"],
        ["-u", "/jobs?q=x*"],
        ["-u", "/jobs?cursor=*"],
        ["-u", "/jobs/1*"],
        ["-u", "/queues/q*"],
        ["-u", "/next-job?queue=none*&type=t*&worker=w*&poll=p*&limit=1*&wait=0*&host=h*&version=v*"],
        ["-u", "/jobs", "--data", '{"type":"t*","queue":"q*","payload":"p*","tags":["a*"]}'],
        ["-u", "/jobs/bulk", "--data", '{"action":"cancel","filter":{"state":"queued","queue":"q2*","type":"t*","tag":"a*"}}'],
        ["-u", "/jobs/1/complete", "--data", '{"version":1,"status":"failed","error":{"code":"c*","message":"m*","trace":"t*"}}'],
    ]

    @classmethod
    def server_flags(cls):
        return []  # sqlmap is slow enough without TLS

    @needs("sqlmap", "sqlmap")
    def test_sqlmap_finds_nothing_in_any_parameter(self):
        api = self.server.client()
        self.addCleanup(api.close)
        api.token = self.token
        api.enqueue(type="t", queue="q", tags=["a"])
        for number, words in enumerate(self.TARGETS):
            plain = [word.replace("*", "") for word in words]
            reply = api.send("POST" if len(words) > 2 else "GET", plain[1], plain[3].encode() if len(words) > 2 else None)
            self.assertIn(reply.status, (200, 201, 204, 409, 422 if "cursor" in plain[1] else 200), f"{plain[1]} is no target: {reply}")
            words = [f"{self.server.url}{word}" if word.startswith("/") else word for word in words]
            done = run("sqlmap", "--batch", "--disable-coloring", "--level", 5, "--risk", 3, "--dbms", "SQLite", "--flush-session", "--threads", 4,
                       "--ignore-code", "*", "--headers", f"{self.header}\nContent-Type: application/json", "--output-dir", self.folder / f"sqlmap{number}",
                       *words, timeout=3600)
            with self.subTest(target=words[1]):
                self.assertIn("all tested parameters do not appear to be injectable", done.stdout + done.stderr)
                self.assertNotIn("sqlmap identified the following injection point", done.stdout)
        log = self.server.program.log()
        asked = {status: log.count(f'"status":{status}') for status in (200, 201, 204, 401, 409, 422, 500)}
        print("sqlmap:", asked)
        self.assertGreater(asked[200] + asked[201] + asked[204] + asked[409], 1000)
        self.assertEqual((asked[401], asked[500]), (0, 0))


if __name__ == "__main__":
    unittest.main()
