# SPDX-License-Identifier: MIT
"""The document against the last released one; and the comparison itself, with breaks that are planted."""
import copy
import json
import unittest

from compat import breaks
from tools import SOURCE, document

RELEASED = SOURCE.with_name("openapi-released.json")


def at(value, path):
    for key in path:
        value = value[key]
    return value


def put(*path, to):
    return lambda doc: at(doc, path[:-1]).__setitem__(path[-1], to)


def drop(*path):
    return lambda doc: at(doc, path[:-1]).__delitem__(path[-1])


def more(*path, by):
    return lambda doc: at(doc, path).append(by)


SCHEMAS = ("components", "schemas")
JOBS = ("paths", "/jobs")
PLANTED = {
    "a path is gone": drop("paths", "/stats"),
    "a method is gone": drop("paths", "/jobs/{id}", "delete"),
    "an operation is called otherwise": put(*JOBS, "get", "operationId", to="findJobs"),
    "an operation needs a higher role": put(*JOBS, "get", "x-taskq-role", to="admin"),
    "an open one is not open any more": put("paths", "/livez", "get", "x-taskq-role", to="viewer"),
    "a parameter is gone": lambda doc: doc["paths"]["/jobs"]["get"]["parameters"].pop(0),
    "a new parameter is required": more(*JOBS, "get", "parameters", by={"name": "x", "in": "query", "required": True, "schema": {"type": "string"}}),
    "a parameter is required now": put(*JOBS, "get", "parameters", 0, "required", to=True),
    "a parameter takes less": put(*JOBS, "get", "parameters", 7, "schema", "maximum", to=500),
    "a parameter's default is another": put(*JOBS, "get", "parameters", 7, "schema", "default", to=50),
    "a word is not taken any more": lambda doc: doc["paths"]["/jobs"]["get"]["parameters"][0]["schema"]["enum"].remove("blocked"),
    "a body is required now": put("paths", "/jobs/{id}/cancel", "post", "requestBody", "required", to=True),
    "a field of a request is gone": drop(*SCHEMAS, "NewJob", "properties", "tags"),
    "a field of a request is required now": more(*SCHEMAS, "NewJob", "required", by="queue"),
    "a field takes less": put(*SCHEMAS, "NewJob", "properties", "priority", "minimum", to=-10),
    "a field takes less text": put(*SCHEMAS, "NewJob", "properties", "type", "maxLength", to=64),
    "a field has another pattern": put(*SCHEMAS, "NewJob", "properties", "type", "pattern", to="^[a-z]+$"),
    "a field has a bound where it had none": put(*SCHEMAS, "Heartbeat", "properties", "log", "maxLength", to=10),
    "a field has a choice where it had none": put(*SCHEMAS, "JobError", "properties", "code", "enum", to=["a"]),
    "a list takes fewer": put(*SCHEMAS, "CompleteRequest", "properties", "completions", "maxItems", to=10),
    "a default is another": put(*SCHEMAS, "NewJob", "properties", "max_attempts", "default", to=3),
    "a default that is not sent is another": put(*SCHEMAS, "Report", "properties", "retry", "x-taskq-default", to=False),
    "a success answers otherwise": lambda doc: doc["paths"]["/queues"]["get"]["responses"].update({"202": doc["paths"]["/queues"]["get"]["responses"].pop("200")}),
    "a success may answer in one more way": put("paths", "/queues", "get", "responses", "204", to={"description": "None."}),
    "an answer is of another type": lambda doc: doc["paths"]["/queues"]["get"]["responses"]["200"]["content"].update(
        {"text/plain": doc["paths"]["/queues"]["get"]["responses"]["200"]["content"].pop("application/json")}),
    "an answer has another schema": put("paths", "/queues", "get", "responses", "200", "content", "application/json", "schema", "$ref", to="#/components/schemas/Queue"),
    "an answer lost a header": drop(*JOBS, "post", "responses", "201", "headers"),
    "a field of an answer is gone": drop(*SCHEMAS, "Job", "properties", "worker"),
    "a field of an answer may be missing": lambda doc: doc["components"]["schemas"]["Job"]["required"].remove("state"),
    "a field of an answer is of another type": put(*SCHEMAS, "Job", "properties", "id", "type", to="string"),
    "a field deep in an answer is gone": drop(*SCHEMAS, "StateCounts", "properties", "failed"),
    "the version goes back": put("info", "version", to="0.0.9"),
}
HARMLESS = {
    "a new path": lambda doc: doc["paths"].update({"/new": doc["paths"]["/stats"]}),
    "a new optional parameter": more(*JOBS, "get", "parameters", by={"name": "x", "in": "query", "schema": {"type": "string"}}),
    "a new optional field": put(*SCHEMAS, "NewJob", "properties", "colour", to={"type": "string"}),
    "a wider range": put(*SCHEMAS, "NewJob", "properties", "priority", "minimum", to=-10000),
    "no bound any more": drop(*SCHEMAS, "NewJob", "properties", "priority", "maximum"),
    "a new word that is taken": lambda doc: doc["paths"]["/jobs"]["get"]["parameters"][0]["schema"]["enum"].append("parked"),
    "a required field that may be missing now": lambda doc: doc["components"]["schemas"]["Report"]["required"].remove("status"),
    "a new field in an answer": put(*SCHEMAS, "Job", "properties", "colour", to={"type": "string"}),
    "a new word in an answer": lambda doc: doc["components"]["schemas"]["Job"]["properties"]["state"]["enum"].append("parked"),
    "a new error status": put(*JOBS, "get", "responses", "401", to={"$ref": "#/components/responses/Forbidden"}),
    "an error less": drop(*JOBS, "get", "responses", "403"),
    "a lower role": put("paths", "/jobs/{id}", "delete", "x-taskq-role", to="producer"),
    "other words": put("info", "description", to="Other words."),
}


class TheDocument(unittest.TestCase):
    def test_it_breaks_no_client_of_the_released_one(self):
        released = json.loads(RELEASED.read_text(encoding="utf-8"))
        self.assertEqual(breaks(released, document()), [], "raise info.version and the project's: the minor before 1.0, the major after it")


class TheComparison(unittest.TestCase):
    def changed(self, change):
        new = copy.deepcopy(document())
        change(new)
        return new

    def test_it_finds_each_planted_break(self):
        for what, change in PLANTED.items():
            with self.subTest(what):
                self.assertNotEqual(breaks(document(), self.changed(change)), [])

    def test_it_lets_harmless_changes_pass(self):
        for what, change in HARMLESS.items():
            with self.subTest(what):
                self.assertEqual(breaks(document(), self.changed(change)), [])

    def test_a_version_that_says_so_lets_a_break_pass(self):
        new = self.changed(drop("paths", "/stats"))
        for version, passes in (("0.1.1", False), ("0.2.0", True), ("1.0.0", True)):
            new["info"]["version"] = version
            self.assertEqual(breaks(document(), new) == [], passes, version)
        old = copy.deepcopy(document())
        old["info"]["version"] = "1.0.0"
        for version, passes in (("1.1.0", False), ("2.0.0", True)):
            new["info"]["version"] = version
            self.assertEqual(breaks(old, new) == [], passes, version)


if __name__ == "__main__":
    unittest.main()
