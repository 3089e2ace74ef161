# SPDX-License-Identifier: MIT
"""The document itself: linted by others, served as it is, and the only place where routes and fields are written."""
import copy
import importlib.util
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import tools
from harness import ServerCase
from program import run
from schema import faults, operations

spec = importlib.util.spec_from_file_location("openapi", tools.SOURCE.with_name("openapi.py"))
openapi = importlib.util.module_from_spec(spec)
spec.loader.exec_module(openapi)


def version():
    return tools.document()["info"]["version"]


class ByOthers(tools.ToolCase):
    needs = ("redocly",)

    def test_redocly_finds_nothing_to_say(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["node", tools.npm("redocly"), "lint", str(tools.SOURCE), "--format=json"], capture_output=True, text=True,
                                  env=tools.QUIET, cwd=folder, stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        found = json.loads(done.stdout[done.stdout.index("{"):])
        self.assertEqual((found["totals"], found["problems"]), ({"errors": 0, "warnings": 0, "ignored": 0}, []))


class Served(ServerCase):
    def test_it_is_served_as_it_stands_in_the_source(self):
        source = tools.document()
        for _, path, operation in operations(copy.deepcopy(source)):
            del source["paths"][path][next(name for name, one in source["paths"][path].items() if name != "parameters"
                                           and one["operationId"] == operation["operationId"])]["x-taskq-handler"]
        self.assertEqual(self.api.get("/openapi.json").json, source)

    def test_the_program_prints_the_same(self):
        printed = run("TASKQ_SERVER", "--print-openapi")
        self.assertEqual(printed.returncode, 0)
        self.assertEqual(printed.stdout, self.api.get("/openapi.json").text + "\n")

    def test_every_path_and_method_is_there_and_no_other(self):
        for path, item in tools.document()["paths"].items():
            taken = {name.upper() for name in item if name != "parameters"}
            if "get" in item and not item["get"].get("x-taskq-no-head"):
                taken.add("HEAD")
            reply = self.api.send("OPTIONS", path.replace("{id}", "1").replace("{name}", "q"))
            # Where a path with a parameter fits too, its methods are named as well.
            allowed = set(reply.headers["Allow"].split(", "))
            self.assertEqual(reply.status, 405, path)
            self.assertTrue(taken <= allowed and (taken == allowed or path.count("/") > 1), f"{path}: {allowed}")


class InItself(unittest.TestCase):
    def test_it_is_as_the_build_relies_on(self):
        self.assertEqual(list(openapi.faults(tools.document(), version())), [])

    def test_every_example_fits_its_schema(self):
        document, count = tools.document(), 0

        def look(place, value):
            nonlocal count
            if isinstance(value, dict):
                if "example" in value:
                    count += 1
                    self.assertEqual(list(faults(document, value.get("schema", value), value["example"])), [], place)
                for name, part in value.items():
                    if name != "example":
                        look(f"{place}/{name}", part)
            elif isinstance(value, list):
                for index, part in enumerate(value):
                    look(f"{place}/{index}", part)

        look("", document)
        self.assertGreater(count, 30)

    def test_required_parameters_have_examples_and_enums_stand_inline(self):
        document = tools.document()
        for method, path, operation in operations(document):
            self.assertEqual(len(operation["tags"]), 1, path)
            self.assertRegex(operation["operationId"], r"^[a-z][A-Za-z]+$")
            for parameter in operation["parameters"]:
                self.assertTrue(not parameter.get("required") or "example" in parameter, f"{method} {path} {parameter['name']}")
        for name, schema in document["components"]["schemas"].items():
            self.assertEqual(schema["type"], "object", f"{name}: what is named must be an object, or the C generator stumbles")

    def test_the_build_stops_where_it_contradicts_itself(self):
        for what, change in {
            "another version": lambda doc: doc["info"].__setitem__("version", "9.9.9"),
            "a field less in the one of two": lambda doc: doc["components"]["schemas"]["EnqueueRequest"]["properties"].pop("tags"),
            "another range in the one of two": lambda doc: doc["components"]["schemas"]["Completion"]["properties"]["version"].__setitem__("minimum", 2),
            "a query and a body that differ": lambda doc: doc["paths"]["/next-job"]["get"]["parameters"].pop(),
            "no role": lambda doc: doc["paths"]["/jobs"]["get"].pop("x-taskq-role"),
            "a body that takes any field": lambda doc: doc["components"]["schemas"]["Release"].pop("additionalProperties"),
        }.items():
            document = tools.document()
            change(document)
            self.assertNotEqual(list(openapi.faults(document, version())), [], what)


class AndTheCode(unittest.TestCase):
    """What the code takes is made from the document, and where C's own headers say it too, a difference does not compile."""

    def compiles(self, change=None):
        document = tools.document()
        if change:
            change(document)
        with tempfile.TemporaryDirectory() as folder:
            wire = pathlib.Path(folder) / "wire"
            wire.mkdir()
            (wire / "api_fields.h").write_text(openapi.make_fields(document), encoding="utf-8")
            sources = [tools.ROOT / "lib" / "wire" / f"{name}.c" for name in ("api_check", "new_job", "claim", "report", "bulk")]
            done = [subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", f"-I{folder}",
                                    f"-I{tools.ROOT}/include", f"-I{tools.ROOT}/lib", source], capture_output=True, stdin=subprocess.DEVNULL)
                    for source in sources]
        return all(one.returncode == 0 for one in done)

    def test_they_fit(self):
        self.assertTrue(self.compiles())

    def test_a_difference_does_not_compile(self):
        schemas = {name: ("components", "schemas", name, "properties") for name in ("NewJob", "ClaimRequest", "Completion", "QueueChange")}

        def put(path, name, to):
            def change(document):
                for key in path:
                    document = document[key]
                document.update({name: to}) if to else document.pop(name)
            return change

        for what, change in {
            "another range": put((*schemas["NewJob"], "priority"), "maximum", 999),
            "another length": put((*schemas["NewJob"], "tags"), "maxItems", 17),
            "a field more": put(schemas["NewJob"], "colour", {"type": "string"}),
            "a field less": put(schemas["NewJob"], "batch", None),
            "a field renamed": lambda doc: doc["components"]["schemas"]["NewJob"]["properties"].update(
                {"group": doc["components"]["schemas"]["NewJob"]["properties"].pop("batch")}),
            "a parameter more": put(schemas["ClaimRequest"], "colour", {"type": "string"}),
            "a field of a report less": put(schemas["Completion"], "error", None),
            "a field of a queue more": put(schemas["QueueChange"], "max_running", {"type": "integer"}),
        }.items():
            with self.subTest(what):
                self.assertFalse(self.compiles(change))


if __name__ == "__main__":
    unittest.main()
