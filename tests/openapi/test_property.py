# SPDX-License-Identifier: MIT
"""Thousands of requests drawn from the document, and every answer one that the document allows. TASKQ_SEED replays a run; for hours:
property.py --seconds 36000."""
import os
import unittest

from harness import ServerCase
from property import Finding, Tester
from schema import answer_faults, faults, operations
from tools import document

LIE_SECONDS = 60  # it takes a second, as a rule
SECONDS = 600 if os.environ.get("TASKQ_LONG") else 30


class TheAnswers(ServerCase):
    def test_every_answer_is_one_that_the_document_allows(self):
        seed = int(os.environ.get("TASKQ_SEED") or int.from_bytes(os.urandom(4), "big"))
        print(f"seed {seed}")
        tester = Tester(self.api.get("/openapi.json").json, self.server.url, seed)
        count = tester.run(SECONDS)
        print(f"{count} requests, seed {seed}")
        self.assertGreater(count, 1000)
        asked = {name.split()[0] for name, _ in tester.statuses.items()}
        self.assertEqual(asked, {operation["operationId"] for _, _, operation in operations(document())})

    def test_a_document_that_lies_is_found_out(self):
        schemas = {"narrow": ("NewJob", "priority", {"maximum": 5}), "wide": ("NewJob", "priority", {"maximum": 5000}),
                   "type": ("Job", "version", {"type": "string"}), "word": ("Job", "state", {"enum": ["queued"]})}
        lies = {what: lambda doc, name=name, field=field, to=to: doc["components"]["schemas"][name]["properties"][field].update(to)
                for what, (name, field, to) in schemas.items()}
        lies["a field that is not described"] = lambda doc: doc["components"]["schemas"]["Job"]["properties"].pop("attempt")
        lies["a field that is not there"] = lambda doc: doc["components"]["schemas"]["Job"]["required"].append("colour")
        lies["a status that is not described"] = lambda doc: doc["paths"]["/jobs/{id}"]["delete"]["responses"].pop("409")
        lies["another content type"] = lambda doc: doc["components"]["responses"]["Invalid"]["content"].update(
            {"text/plain": doc["components"]["responses"]["Invalid"]["content"].pop("application/problem+json")})
        for what, lie in lies.items():
            lying = document()
            lie(lying)
            if what in ("narrow", "wide"):  # one job and many are described by two schemas
                lying["components"]["schemas"]["EnqueueRequest"]["properties"]["priority"].update(schemas[what][2])
            with self.subTest(what), self.assertRaises(Finding):
                Tester(lying, self.server.url, 1).run(LIE_SECONDS)

    def test_what_the_document_calls_its_defaults_are_the_defaults(self):
        made = self.enqueue()
        schemas = document()["components"]["schemas"]
        for name, schema in [*schemas["NewJob"]["properties"].items()]:
            default = schema.get("default", schema.get("x-taskq-default"))
            if default is not None and name != "queue":
                self.assertEqual(made[name], default, name)
        self.assertEqual(made["backoff"], {name: schema["default"] for name, schema in schemas["BackoffOptions"]["properties"].items()})
        self.api.cancel(made["id"])
        self.assertEqual(self.api.enqueue(type="t")["queue"], schemas["NewJob"]["properties"]["queue"]["default"])
        self.assertEqual(self.api.expect(200, "GET", "/next-job").json["queue"], schemas["ClaimRequest"]["properties"]["queue"]["default"])
        limit = next(one["schema"] for one in document()["paths"]["/jobs"]["get"]["parameters"] if one["name"] == "limit")
        self.api.enqueue_many([{"type": "t", "queue": self.queue}] * (limit["default"] + 1))
        self.assertEqual(len(self.api.jobs(queue=self.queue)), limit["default"])


class TheJudge(unittest.TestCase):
    """The validator that all of this rests on finds what is wrong."""

    schemas = {"components": {"schemas": {"Inner": {"type": "object", "required": ["n"], "properties": {
        "n": {"type": "integer", "minimum": 1, "maximum": 5}, "t": {"type": "string", "format": "date-time"}}}}}}
    schema = {"type": "object", "additionalProperties": False, "maxProperties": 3, "properties": {
        "s": {"type": "string", "maxLength": 3, "pattern": "^[a-z]+$"}, "e": {"type": "string", "enum": ["x"]}, "b": {"type": "boolean"},
        "l": {"type": "array", "maxItems": 2, "items": {"$ref": "#/components/schemas/Inner"}}, "d": {"type": "number"}, "a": {}}}

    def wrong(self, value):
        return list(faults(self.schemas, self.schema, value))

    def test_it_takes_what_fits(self):
        for value in ({}, {"s": "abc"}, {"l": [{"n": 1}, {"n": 5, "t": "2026-01-31T08:00:00.000Z"}]}, {"a": None}, {"d": 1, "e": "x", "b": False}):
            self.assertEqual(self.wrong(value), [], value)

    def test_it_finds_what_does_not(self):
        for value in (None, [], {"s": "abcd"}, {"s": ""}, {"s": "A"}, {"s": "a\n"}, {"s": 1}, {"e": "y"}, {"b": 1}, {"d": True}, {"x": 1}, {"l": {}},
                      {"l": [{}]}, {"l": [{"n": 0}]}, {"l": [{"n": 6}]}, {"l": [{"n": 1.5}]}, {"l": [{"n": 1}] * 3}, {"l": [{"n": 1, "t": "now"}]},
                      {"l": [{"n": 1, "more": 1}]}, {"s": "a", "e": "x", "b": True, "d": 1}):
            self.assertNotEqual(self.wrong(value), [], value)

    def test_it_finds_statuses_and_bodies_that_are_not_described(self):
        operation = {"responses": {"200": {"content": {"application/json": {"schema": self.schema}}}, "204": {}}}
        for answer, good in (((200, "application/json", {"b": True}), True), ((204, None, None), True), ((404, "application/json", {}), False),
                             ((200, "text/html", "x"), False), ((200, "application/json", {"b": 1}), False), ((204, "text/plain", "x"), False)):
            self.assertEqual(list(answer_faults(self.schemas, operation, *answer)) == [], good, answer)


if __name__ == "__main__":
    unittest.main()
