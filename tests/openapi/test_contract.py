# SPDX-License-Identifier: MIT
"""The API suite again, through a proxy that others wrote and that holds every request and every answer against the document. Where it
calls a request bad, the server must do so too; where it finds fault with an answer, the test fails."""
import importlib
import pathlib
import queue
import re
import socket
import subprocess
import sys
import threading
import unittest

import client
import harness
import tools

API = pathlib.Path(__file__).resolve().parents[1] / "api"
MODULES = ("walk", "bulk", "claim", "enqueue", "heartbeat", "list", "moves", "queue", "report")
PRISM = "https://stoplight.io/prism/errors#"
VIOLATIONS = PRISM + "VIOLATIONS"
START_SECONDS = 60
# What a proxy that reads the body and writes it anew (numbers as doubles) cannot show, or what is about time and connections.
NOT_FOR_A_PROXY = {
    "test_a_crowd_enqueues_claims_reports_and_hangs_up": "is about hundreds of connections at once",
    "test_time_ends_attempts_and_deletes_jobs": "is about time",
    "test_a_field_given_twice_is_an_error": "the proxy drops the first",
    "test_twice_is_an_error": "the proxy drops the first",
}


class Proxy:
    """prism proxy in front of a port where the servers of the test classes follow one another."""

    def __init__(self, upstream):
        command = ["node", tools.npm("prism"), "proxy", str(tools.SOURCE), upstream, "--errors", "--host", "127.0.0.1", "--port", "0"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env=tools.QUIET)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self._wait()

    def _read(self):
        for line in self.process.stdout:
            if self.lines is not None:
                self.lines.put(line)

    def _wait(self):
        said = ""
        while True:
            try:
                line = self.lines.get(timeout=START_SECONDS)
            except queue.Empty:
                self.stop()
                raise AssertionError(f"the proxy did not come up: {said}") from None
            said += line
            found = re.search(r"Prism is listening on (http://\S+)", line)
            if found:
                self.lines = None
                return found.group(1)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Counts:
    through = refused_by_both = 0


class ProxiedClient(client.Client):
    """Asks through the proxy; what that refuses by itself is asked again at the server, which must refuse it too."""

    def __init__(self, url, direct, counts, **options):
        super().__init__(url, **options)
        self.direct, self.counts = client.Client(direct, **options), counts

    def close(self):
        super().close()
        self.direct.close()

    def send(self, method, path, body=None, headers=None):
        raw = self._exchange(method, path, body, headers)
        kind = kind_of(raw)
        if kind == VIOLATIONS:
            raise AssertionError(f"{method} {path} {body}: the answer is not as the document says: {raw.text}")
        if not kind.startswith(PRISM) and not (method == "HEAD" and raw.status == 405):
            self.counts.through += 1
            return client.check_form(raw, method)
        reply = self.direct.send(method, path, body, headers)
        alone = reply.status == 200 and method == "POST" and any(one["status"] == 422 for one in reply.json.get("results", []))  # of a list each stands alone
        if reply.status < 400 and method != "HEAD" and not alone:
            raise AssertionError(f"{method} {path} {(body or b'')[:300]}: the document forbids what the server takes: {raw.text[:1000]}")
        self.counts.refused_by_both += 1
        return reply

    def _exchange(self, method, path, body, headers):
        connection = self._connect()
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent.update(headers or {})
        try:
            connection.request(method, path, body=body, headers={name: value for name, value in sent.items() if value is not None})
            answer = connection.getresponse()
            # The proxy lets every web page read what it hands on; the server does not.
            for name in [name for name in answer.headers if name.lower().startswith("access-control-")]:
                del answer.headers[name]
            return client.Reply(answer.status, answer.headers, answer.read())
        finally:
            self.close_own()

    def close_own(self):
        if self.connection:
            self.connection.close()
            self.connection = None


def kind_of(reply):
    """The type of a problem, the proxy's own among them; "" for an answer that is none."""
    if reply.status < 400 or not reply.body:
        return ""
    try:
        return reply.json["type"]
    except (ValueError, KeyError):
        return PRISM + "UNREADABLE"  # it cannot read the body that it was sent, and says so in a form of its own


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def behind(proxy_of, port, case, counts):
    """The same tests, each class's server behind the proxy."""

    class FixedServer(harness.Server):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **{"listen": f"127.0.0.1:{port}", **options})

        def client(self, **options):
            return ProxiedClient(proxy_of().url, self.url, counts, **options)

    def set_up_class(cls):
        if not tools.has_npm("prism"):
            return
        cls.server = FixedServer(*cls.server_arguments).start()

    def tear_down_class(cls):
        if tools.has_npm("prism"):
            cls.server.finish()

    made = type(f"Proxied{case.__name__}", (case,), {"setUpClass": classmethod(set_up_class), "tearDownClass": classmethod(tear_down_class)})
    for name in set(dir(case)) & set(NOT_FOR_A_PROXY):
        setattr(made, name, None)
    if not tools.has_npm("prism"):
        tools.without(made, reason="@stoplight/prism-cli is not installed: ./dev tools")
    return made


def load_tests(loader, standard, pattern):
    sys.path.insert(0, str(API))
    counts, port, proxies = Counts(), free_port(), []

    def proxy():
        if not proxies:
            proxies.append(Proxy(f"http://127.0.0.1:{port}"))
        return proxies[0]

    class TheProxy(unittest.TestCase):
        def test_it_has_seen_them_all(self):
            if not proxies:
                self.skipTest("the proxy did not run")
            proxies[0].stop()
            print(f"{counts.through} requests and answers found right, {counts.refused_by_both} requests refused by proxy and server")
            self.assertGreater(counts.through, 100)

    suite = unittest.TestSuite()
    for name in MODULES:
        module = importlib.import_module(f"test_{name}")
        for case in vars(module).values():
            if isinstance(case, type) and issubclass(case, harness.ServerCase) and case.__module__ == module.__name__:
                suite.addTests(loader.loadTestsFromTestCase(behind(proxy, port, case, counts)))
    suite.addTests(loader.loadTestsFromTestCase(TheProxy))
    return suite


if __name__ == "__main__":
    unittest.main()
