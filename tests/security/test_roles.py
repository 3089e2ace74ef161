# SPDX-License-Identifier: MIT
"""Every route with every role, and with none: the table beside the routes is walked, so a route that is added is tested too."""
import json
import os
import pathlib
import re
import unittest

from guarded import GuardedCase

SERVER = pathlib.Path(os.environ.get("TASKQ_SOURCE_ROOT", pathlib.Path(__file__).resolve().parents[2])) / "lib" / "server"
ROLES = ("viewer", "producer", "worker", "admin")
# What the contract says, route by route; the walk fails on a route that is not here.
EXPECTED = {
    "POST /jobs": "producer", "GET /jobs": "viewer", "GET /jobs/{id}": "viewer", "DELETE /jobs/{id}": "admin",
    "GET /next-job": "worker", "POST /next-job": "worker", "POST /jobs/{id}/complete": "worker", "POST /jobs/complete": "worker",
    "POST /jobs/{id}/heartbeat": "worker", "POST /jobs/heartbeat": "worker", "POST /jobs/{id}/release": "worker",
    "POST /jobs/{id}/cancel": "producer", "POST /jobs/{id}/retry": "producer", "POST /jobs/bulk": "admin",
    "GET /batches/{batch}": "viewer", "GET /queues": "viewer", "GET /queues/{name}": "viewer", "PATCH /queues/{name}": "admin",
    "PUT /schedules/{name}": "admin", "GET /schedules/{name}": "viewer", "DELETE /schedules/{name}": "admin", "GET /schedules": "viewer",
    "POST /schedules/{name}/run": "admin", "GET /workers": "viewer", "PATCH /workers/{id}": "admin", "GET /stats": "viewer",
    "GET /events": "viewer", "GET /metrics": "viewer", "GET /livez": "open", "GET /readyz": "open", "GET /openapi.json": "open",
    "GET /docs": "open", "GET /docs/docs.css": "open", "GET /docs/docs.js": "open", "GET /": "open",
}
MAY = {
    "open": {None, *ROLES}, "viewer": {"viewer", "producer", "admin"}, "producer": {"producer", "admin"}, "admin": {"admin"},
    "worker": {"worker", "admin"},
}


def routes():
    """(method, pattern) of all that the server answers, from its own table."""
    document = SERVER / "openapi.json"
    if document.exists():
        paths = json.loads(document.read_text())["paths"]
        return [(method.upper(), path) for path, item in paths.items() for method in item if method in ("get", "post", "put", "patch", "delete")]
    return re.findall(r'^\s*\{"([A-Z]+)", "(/[^"]*)", taskq__', (SERVER / "router.c").read_text(), re.MULTILINE)


class EveryRoute(GuardedCase):
    def setUp(self):
        super().setUp()
        self.secrets = {role: self.tokens.create(role) for role in ROLES}
        self.secrets |= {"revoked": self.tokens.create("admin", "gone"), "bound": self.tokens.create("admin", "bound", "--queues", "elsewhere"), None: None}
        self.tokens.revoke("gone")
        self.secrets["wrong"] = self.secrets["admin"][:-1] + ("0" if self.secrets["admin"][-1] != "0" else "1")
        self.expired = self.tokens.create("admin", "over", "--expires", "500ms")
        self.server = self.guarded_server()
        while self.as_(self.server, self.expired).get("/queues").status == 200:
            pass

    def ask(self, secret, method, pattern, broken=True):
        """With a path, a query and a body that are all wrong: who may not do it does not learn so."""
        path = re.sub(r"\{\w+\}", "999999", pattern)
        body = b"{" if broken and method not in ("GET", "DELETE") else None
        query = "?wrong=1" if broken else ""
        return self.as_(self.server, secret).send(method, path + query, body, {"Accept": "application/json"})

    def walk(self, check):
        table = routes()
        self.assertGreaterEqual(len(table), 20)
        for method, pattern in table:
            name = f"{method} {re.sub(r'{(worker|schedule|queue)}', '{name}', pattern)}"
            with self.subTest(route=name):
                self.assertIn(name, EXPECTED, "a new route: say here who may use it")
                check(method, pattern, EXPECTED[name])

    def test_each_role_does_what_it_may_and_nothing_else(self):
        def check(method, pattern, needed):
            for role in (None, *ROLES):
                if needed == "open" or pattern == "/events" and role in MAY[needed]:
                    continue
                reply = self.ask(self.secrets[role], method, pattern)
                if role is None:
                    self.assertEqual((reply.status, reply.slug), (401, "unauthorized"))
                elif role in MAY[needed]:
                    self.assertNotIn(reply.status, (401, 403), f"{role}: {reply}")
                else:
                    self.assertEqual((reply.status, reply.slug), (403, "forbidden"), role)
                    self.assertIn(f"role {needed}", reply.json["detail"])
        self.walk(check)

    def test_a_revoked_an_expired_and_a_wrong_token_do_nothing(self):
        def check(method, pattern, needed):
            if needed == "open" and not pattern.endswith("z"):  # pages
                return
            for secret in (self.secrets["revoked"], self.expired, self.secrets["wrong"]):
                reply = self.ask(secret, method, pattern)
                if needed == "open":
                    self.assertNotIn(reply.status, (401, 403))
                else:
                    self.assertIn((reply.status, reply.slug), ((401, "unauthorized"), (429, "too-many-requests")))
        self.walk(check)

    def test_what_is_open_is_open_to_all(self):
        def check(method, pattern, needed):
            if needed == "open":
                self.assertEqual(self.as_(self.server).get(pattern, {"Accept": "application/json"}).status, 200)
        table = [(method, pattern) for method, pattern in routes() if pattern in ("/livez", "/readyz")]
        for method, pattern in table:
            check(method, pattern, EXPECTED[f"{method} {pattern}"])

    def test_a_token_bound_to_another_queue_changes_and_sees_nothing(self):
        admin = self.as_(self.server, self.secrets["admin"])
        made = [admin.enqueue(type="t", queue="here") for _ in range(2)]
        running = admin.claim("here")
        ended = admin.succeed(admin.claim("here"))
        bound = self.as_(self.server, self.secrets["bound"])
        before = [admin.job(job["id"]) for job in made]
        report = {"version": running["version"], "status": "succeeded"}
        for status, method, path, body in (
                (403, "POST", "/jobs", {"type": "t", "queue": "here"}), (403, "POST", "/jobs", {"type": "t"}),
                (403, "POST", "/jobs", {"jobs": [{"type": "t", "queue": "elsewhere"}, {"type": "t", "queue": "here"}]}),
                (403, "GET", "/jobs", None), (403, "GET", "/jobs?queue=here", None), (404, "GET", f"/jobs/{ended['id']}", None),
                (404, "DELETE", f"/jobs/{ended['id']}", None), (404, "POST", f"/jobs/{ended['id']}/retry", None),
                (404, "POST", f"/jobs/{running['id']}/cancel", None), (404, "POST", f"/jobs/{running['id']}/complete", report),
                (404, "POST", f"/jobs/{running['id']}/heartbeat", {"version": running["version"]}),
                (404, "POST", f"/jobs/{running['id']}/release", {"version": running["version"]}),
                (403, "POST", "/jobs/bulk", {"action": "delete", "filter": {"ids": [ended["id"]]}}),
                (403, "POST", "/jobs/bulk", {"action": "delete", "filter": {"queue": "here"}}),
                (403, "GET", "/next-job", None), (403, "GET", "/next-job?queue=elsewhere,here", None), (403, "POST", "/next-job", {"queue": "here"}),
                (403, "POST", "/jobs/complete", {"completions": [], "next": {"queue": "here"}}),
                (403, "GET", "/queues/here", None), (403, "PATCH", "/queues/here", {"paused": True}), (403, "GET", "/stats", None)):
            with self.subTest(f"{method} {path} {body}"):
                bound.expect(status, method, path, body)
        results = bound.expect(200, "POST", "/jobs/complete", {"completions": [{"id": running["id"], **report}]}).json["results"]
        self.assertEqual([one["status"] for one in results], [404])
        results = bound.expect(200, "POST", "/jobs/heartbeat", {"heartbeats": [{"id": running["id"], "version": running["version"]}]}).json["results"]
        self.assertEqual([one["status"] for one in results], [404])
        self.assertEqual(bound.expect(200, "GET", "/queues").json["queues"], [])
        self.assertEqual([{**admin.job(job["id"]), "lease_expires_at": None} for job in made], [{**job, "lease_expires_at": None} for job in before])

    def test_a_token_bound_to_a_queue_does_its_work_there(self):
        bound = self.as_(self.server, self.secrets["bound"])
        job = bound.enqueue(type="t", queue="elsewhere")
        self.assertEqual(bound.jobs(queue="elsewhere")[0]["id"], job["id"])
        running = bound.claim("elsewhere")
        bound.expect(200, "POST", f"/jobs/{job['id']}/heartbeat", {"version": running["version"]})
        results = bound.expect(200, "POST", "/jobs/complete", {"completions": [{"id": job["id"], "version": running["version"], "status": "succeeded"}]}).json
        self.assertEqual([one["status"] for one in results["results"]], [200])
        self.assertEqual([one["name"] for one in bound.expect(200, "GET", "/queues").json["queues"]], ["elsewhere"])
        self.assertEqual(bound.expect(200, "POST", "/jobs/bulk", {"action": "delete", "filter": {"queue": "elsewhere", "ids": [job["id"]]}}).json["affected"], 1)

    def test_a_refusal_of_the_role_is_counted(self):
        self.as_(self.server, self.secrets["worker"]).expect(403, "GET", "/jobs")
        self.assertEqual(self.refusals(self.server, self.secrets["admin"])["forbidden"], 1)


if __name__ == "__main__":
    unittest.main()
