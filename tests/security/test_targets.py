# SPDX-License-Identifier: MIT
"""http jobs that want where they may not go. The attacks are carried out in a network in which every address is ours: a connection that
should not have been made is seen to arrive."""
import collections
import socket
import unittest

import netspace
import spellings
from harness import ServerCase, Worker, fresh_folder
from program import run
from shape import TERMINAL
from waiting import wait_until

PUBLIC, PUBLIC_2, PROXY = "8.8.8.8", "9.9.9.9", "8.8.4.4"
PRIVATE = ["127.0.0.1", "10.0.0.1", "169.254.169.254"]
NAMES = {
    "public.test": [PUBLIC], "public2.test": [PUBLIC_2], "private.test": ["127.0.0.1"], "metadata.test": ["169.254.169.254"],
    "six.test": ["::1", "fd00:ec2::254"], "both.test": ["10.0.0.1", "::1"], "mixed.test": [*PRIVATE, "::1", PUBLIC],
    "app.test": ["10.7.7.7"], "sub.app.test": ["10.7.7.7"], "bad.test": [PUBLIC], "x.bad.test": [PUBLIC], "loopback.bad.test": ["127.0.0.1"],
}
PROXIES = {name: f"http://{PROXY}:80" for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")}
names = listener = None
flips = collections.Counter()


def answer(name, family):
    """What our name server says: a name with "flip" in it is public at the first question and private at the next."""
    if name.startswith("flip"):
        flips[name, family] += 1
        private = flips[name, family] % 2 == 0
        found = (["127.0.0.1", "::1"] if private else [PUBLIC, "2606:4700::1111"])
    else:
        found = NAMES.get(name.rstrip("."), ["127.0.0.1", "::1"])
    return [one for one in found if (":" in one) == (family == socket.AF_INET6)]


def redirect(status, location):
    return f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def reply(address, request):
    """302 to what the path asks for; else 200."""
    target = request.split(b" ")[1].decode("latin-1")
    if target.startswith("/to?"):
        return redirect(302, bytes.fromhex(target[4:]).decode())
    if target.startswith("/to307?"):
        return redirect(307, bytes.fromhex(target[7:]).decode())
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nin"


def to(url, kind="to"):
    return f"/{kind}?{url.encode().hex()}"


def setUpModule():
    global names, listener
    netspace.enter()
    names, listener = netspace.Names(answer), netspace.Listener(80, reply)


class TargetCase(ServerCase):
    def setUp(self):
        super().setUp()
        self.folder, self.made = fresh_folder(), 0
        listener.take()
        del listener.requests[:]

    def worker(self, *arguments, **options):
        worker = Worker(self.folder, "--queue", self.queue, "--concurrency", "32", *arguments, server=self.server.url, **options)
        self.addCleanup(worker.stop)
        return worker

    def run_jobs(self, payloads):
        """All of them, each tried once; the ended jobs in their order."""
        made = []
        for start in range(0, len(payloads), 1000):
            made += self.api.enqueue_many([{"type": "http", "queue": self.queue, "payload": payload, "max_attempts": 1}
                                           for payload in payloads[start:start + 1000]])
        self.made += len(made)
        wait_until(self.all_ended, 60, "the end of all jobs")
        return [self.api.job(job["id"]) for job in made]

    def all_ended(self):
        counts = self.api.queue(self.queue)["counts"]
        return sum(counts.get(state, 0) for state in TERMINAL) == self.made

    def run_job(self, url, **payload):
        return self.run_jobs([{"url": url, "timeout_ms": 10000, **payload}])[0]

    def assert_refused(self, job, code="refused-address"):
        self.assertEqual((job["state"], (job.get("error") or {}).get("code")), ("failed", code), job)


class Spellings(TargetCase):
    def test_no_spelling_of_a_forbidden_address_is_connected_to(self):
        hosts = spellings.hosts()
        self.assertGreaterEqual(len(hosts), 300)
        self.worker(env=PROXIES)
        jobs = self.run_jobs([{"url": f"http://{host}/secret", "timeout_ms": 10000} for host in hosts])
        arrived = listener.take()
        # A URL may turn out to lead to the public address in it: then it is no attack.
        self.assertLessEqual(set(arrived), {PUBLIC})
        self.assertEqual(sum(job["state"] == "succeeded" for job in jobs), len(arrived))
        self.assertGreaterEqual(len(hosts) - len(arrived), 300)

    def test_where_private_addresses_are_allowed_most_of_them_do_arrive(self):
        """So the spellings above are attacks, and not mere noise."""
        hosts = spellings.hosts()
        self.worker("--http-allow-private")
        self.run_jobs([{"url": f"http://{host}/", "timeout_ms": 10000} for host in hosts])
        arrived = listener.take()
        self.assertGreaterEqual(len(arrived), 250, f"of {len(hosts)}")
        self.assertLessEqual({"127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "fd00:ec2::254", "64:ff9b::a00:1"}, set(arrived))

    def test_a_url_of_another_scheme_is_refused(self):
        self.worker()
        urls = [f"{scheme}://{host}/" for host in ("127.0.0.1", PUBLIC) for scheme in
                ("file", "gopher", "ftp", "dict", "ldap", "smb", "telnet", "tftp", "ws", "scp", "imap", "smtp", "rtsp", "mqtt", "jar", "netdoc")]
        for job in self.run_jobs([{"url": url} for url in [*urls, "file:///etc/passwd", "FILE:/etc/passwd", "data:,x", "javascript:1", "//127.0.0.1/", "/etc/passwd"]]):
            self.assertEqual(job["state"], "failed", job)
            self.assertIn(job["error"]["code"], ("bad-url", "bad-payload"), job)
        self.assertEqual(listener.take(), [])


class Names(TargetCase):
    def test_of_a_name_with_several_addresses_only_a_public_one_is_connected_to(self):
        self.worker()
        for _ in range(5):
            job = self.run_job("http://mixed.test/")
            self.assertEqual((job["state"], job.get("result", {}).get("body")), ("succeeded", "in"), job)
        self.assertEqual(set(listener.take()), {PUBLIC})

    def test_a_name_with_private_addresses_alone_is_refused(self):
        self.worker()
        for name in ("private.test", "metadata.test", "six.test", "both.test", "whatever.example"):
            self.assert_refused(self.run_job(f"http://{name}/"))
        self.assertEqual(listener.take(), [])

    def test_a_name_that_changes_between_look_ups_is_judged_by_the_address_that_is_used(self):
        self.worker()
        jobs = self.run_jobs([{"url": f"http://flip{number % 20}.test/", "timeout_ms": 10000} for number in range(200)])
        arrived = collections.Counter(listener.take())
        self.assertGreater(arrived[PUBLIC] + arrived["2606:4700::1111"], 0)
        self.assertLessEqual(set(arrived), {PUBLIC, "2606:4700::1111"})
        for job in jobs:
            if job["state"] != "succeeded":
                self.assert_refused(job)

    def test_a_name_that_has_become_private_by_the_time_of_a_redirect_is_refused(self):
        self.worker()
        refused = 0
        with_port = netspace.Listener(8080)
        self.addCleanup(with_port.close)
        for number in range(20):
            # Another port: another look-up, which gets the other answer.
            name = f"flip-redirect{number}.test"
            job = self.run_job(f"http://{name}" + to(f"http://{name}:8080/secret"))
            refused += job["state"] == "failed"
        self.assertEqual(refused, 20)
        self.assertLessEqual(set(listener.take()), {PUBLIC, "2606:4700::1111"})
        self.assertLessEqual(set(with_port.take()), {PUBLIC, "2606:4700::1111"})


class Redirects(TargetCase):
    def test_a_redirect_to_a_forbidden_address_is_not_followed(self):
        self.worker()
        hosts = spellings.hosts()[::4]
        jobs = self.run_jobs([{"url": f"http://public.test{to(f'http://{host}/secret')}", "timeout_ms": 10000} for host in hosts])
        arrived = listener.take()
        self.assertEqual(set(arrived), {PUBLIC})
        self.assertEqual(len(arrived), len(hosts) + sum(job["state"] == "succeeded" for job in jobs))

    def test_nor_is_one_behind_another_or_with_a_body(self):
        self.worker()
        chain = "http://public2.test" + to("http://public.test" + to("http://169.254.169.254/latest/meta-data/"))
        self.assert_refused(self.run_job(chain))
        self.assert_refused(self.run_job("http://public.test" + to("http://private.test/", "to307"), method="POST", body="x"))
        self.assertEqual(set(listener.take()), {PUBLIC, PUBLIC_2})

    def test_a_redirect_to_another_host_takes_no_credentials_along(self):
        self.worker()
        self.run_job("http://user:password@public.test" + to("http://public2.test/"), headers={"Cookie": "secret-cookie"})
        self.run_job("http://public.test" + to("http://public2.test/"), headers={"Authorization": "Bearer secret-token", "Cookie": "secret-cookie"})
        there = [request for address, request in listener.requests if address == PUBLIC_2]
        self.assertEqual(len(there), 2)
        for request in there:
            self.assertNotIn(b"secret-", request)
            self.assertNotIn(b"uthorization", request)


class Smuggling(TargetCase):
    def test_no_header_or_url_makes_a_second_request_or_header(self):
        self.worker()
        evil = "x\r\nInjected: 1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        payloads = [{"headers": {"X-A": value}} for value in (evil, "a\nInjected: 1", "a\rInjected: 1", "a\u0000b", "a\r\n Injected: 1", "\u010d\u010aInjected: 1")]
        payloads += [{"headers": {name: "x"}} for name in ("X-A: b\r\nInjected", "X A", "", "X-A:", "X-\u010aInjected", "Injected\r\n", "\tX", "X\u0000")]
        payloads += [{"headers": {name: value}} for name, value in (("Content-Length", "0"), ("Transfer-Encoding", "chunked"), ("transfer-encoding", "gzip"),
                                                                   ("Host", "internal"), ("Connection", "close"), ("Upgrade", "h2c"), ("TE", "trailers"))]
        payloads += [{"url": f"http://public.test/{path}"} for path in (evil, "a\nb", "%0d%0aInjected:%201", "a b HTTP/1.1\r\nInjected: 1", "\u010d\u010aInjected: 1")]
        payloads += [{"method": method} for method in ("GET / HTTP/1.1\r\nInjected: 1\r\n", "GET\t", "GET\u010d\u010a", "")]
        self.run_jobs([{"url": "http://public.test/", "timeout_ms": 5000, **payload} for payload in payloads])
        for _, request in listener.requests:
            head, _, rest = request.partition(b"\r\n\r\n")
            self.assertEqual(rest, b"", request)
            lines = head.replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n").split(b"\r\n")
            self.assertEqual([line for line in lines[1:] if line.lower().startswith((b"injected", b"transfer-encoding", b"content-length"))], [], request)
            self.assertEqual([line for line in lines if line.startswith(b"Host:")], [b"Host: public.test"])

    def test_an_answer_that_was_compressed_is_not_unpacked(self):
        self.worker()
        job = self.run_job("http://public.test/")
        self.assertNotIn(b"accept-encoding", listener.requests[0][1].lower())
        self.assertEqual(job["result"]["body"], "in")


class Lists(TargetCase):
    def reaches(self, url):
        """Does a job get there? Either it succeeds and its connection arrives, or it is refused and none does."""
        job = self.run_job(url)
        arrived = listener.take()
        if job["state"] == "succeeded":
            self.assertTrue(arrived)
            return True
        self.assertEqual(job["state"], "failed", job)
        self.assertIn(job["error"]["code"], ("refused-address", "bad-url"))
        self.assertEqual(arrived, [])
        return False

    def test_an_allow_list_opens_what_it_names_and_a_deny_list_wins(self):
        self.worker("--http-allow", "10.9.0.0/16", "--http-allow", "app.test", "--http-deny", "10.9.9.0/24", "--http-deny", "*.bad.test",
                    "--http-deny", "bad.test", "--http-deny", PROXY)
        for url in ("http://10.9.1.1/", "http://0x0a090101/", "http://[::ffff:10.9.1.1]/", "http://app.test/", "http://APP.test./", f"http://{PUBLIC}/"):
            self.assertTrue(self.reaches(url), url)
        for url in ("http://10.9.9.1/", "http://10.8.1.1/", "http://[64:ff9b::10.9.1.1]/", "http://sub.app.test/", "http://10.7.7.7/", "http://127.0.0.1/",
                    "http://bad.test/", "http://x.bad.test/", "http://BAD.test./", "http://%62ad.test/", "http://ｂａｄ.test/", f"http://{PROXY}/",
                    f"http://[::ffff:{PROXY}]/", "http://loopback.bad.test/"):
            self.assertFalse(self.reaches(url), url)

    def test_a_redirect_to_a_denied_host_is_not_followed(self):
        self.worker("--http-deny", "public2.test")
        self.assert_refused(self.run_job("http://public.test" + to("http://public2.test/")))
        self.assertEqual(listener.take(), [PUBLIC])
        self.assertEqual(self.run_job("http://public.test" + to(f"http://{PUBLIC_2}/"))["state"], "succeeded")

    def test_an_allow_list_may_be_all_that_is_open(self):
        self.worker("--http-allow-only", "--http-allow", "public.test", "--http-allow-private")
        self.assertTrue(self.reaches("http://public.test/"))
        for url in ("http://public2.test/", f"http://{PUBLIC}/", "http://127.0.0.1/", "http://app.test/"):
            self.assertFalse(self.reaches(url), url)

    def test_an_entry_that_is_none_is_refused_at_the_start(self):
        for option in ("--http-allow", "--http-deny"):
            for entry in ("10.0.0.1/8", "127.1", "http://app", "a b", "[::1]"):
                done = run("TASKQ_WORKER", option, entry, "--server", self.server.url)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(entry, done.stderr)


if __name__ == "__main__":
    unittest.main()
