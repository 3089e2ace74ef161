#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes C from openapi.json, so that what the document says and what the server does cannot differ.

    openapi.py check    DOCUMENT VERSION       is it in itself as the rest relies on? prints what is wrong
    openapi.py fields   DOCUMENT OUT.h         fields of bodies, parameters of queries: name, required, range, default
    openapi.py routes   DOCUMENT OUT.h         the route table
    openapi.py document DOCUMENT OUT.json      the document as it is served: small, without what is ours alone

A schema NewJob with a field priority gives TASKQ__API_NEW_JOB_PRIORITY, the front of a row of lib/wire's field tables, _MIN and _MAX,
_DEFAULT where there is one, and TASKQ__API_NEW_JOB_COUNT, which each table asserts to be its length. An operation listJobs with query
parameters gives the same by TASKQ__API_LIST_JOBS_, and an index for each.
"""
import json
import re
import sys

METHODS = ("get", "put", "post", "delete", "patch")
MADE = "/* SPDX-License-Identifier: MIT */\n/* Made from lib/server/openapi.json by lib/server/openapi.py: a change belongs there. */\n"
# A schema that repeats another, since generators make nothing good of allOf: (this one, has all of that one, and besides, but not).
REPEATS = [("EnqueueRequest", "NewJob", {"jobs"}, set()), ("ClaimRequest", "ClaimNext", {"wait"}, set()),
           ("Completion", "Report", {"id"}, set()), ("HeartbeatItem", "Heartbeat", {"id"}, set()),
           ("EnqueueAnswer", "Job", {"jobs"}, set()), ("ClaimAnswer", "Job", {"jobs"}, set()), ("EnqueuedJob", "Job", set(), set()),
           ("ReportedJob", "Job", set(), set())]
# What a client must not send beside something else has no `default`, or generated clients would send it.
LOOSE = ("default", "x-taskq-default", "description")


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def constant(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).upper()


def without(value, keys):
    return {name: part for name, part in value.items() if name not in keys}


def faults(document, version):
    schemas = document["components"]["schemas"]
    if document["info"]["version"] != version:
        yield f"info.version is {document['info']['version']}, the project's {version}"
    for one, other, more, less in REPEATS:
        mine, its = schemas[one]["properties"], schemas[other]["properties"]
        if set(mine) - more != set(its) - less:
            yield f"{one} and {other} must have the same fields: {sorted((set(mine) - more) ^ (set(its) - less))}"
        for name in set(mine) & set(its):
            if without(mine[name], LOOSE) != without(its[name], LOOSE):
                yield f"{one}.{name} and {other}.{name} must be the same"
    queried = {}
    for method, path, operation in operations(document):
        queried[operation["operationId"]] = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "query"}
        for extension in ("x-taskq-role", "x-taskq-handler"):
            if extension not in operation:
                yield f"{method} {path} has no {extension}"
    if {name: p["schema"] for name, p in queried["claimJobs"].items()} != {
            name: without(field, ("description",)) for name, field in schemas["ClaimRequest"]["properties"].items()}:
        yield "the parameters of claimJobs and the fields of ClaimRequest must be the same"
    strict = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    missing = {name for name in asked_for(document) if name not in strict}
    if missing:
        yield f"unknown fields are refused, so these need additionalProperties false: {sorted(missing)}"


def asked_for(document):
    """The names of the schemas of request bodies, in the document's order."""
    schemas, found = document["components"]["schemas"], set()
    waiting = [body["schema"] for _, _, operation in operations(document) if "requestBody" in operation
               for body in operation["requestBody"]["content"].values()]
    while waiting:
        schema = waiting.pop()
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in found:
            found.add(name)
            waiting.append(schemas[name])
        waiting += [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return [name for name in schemas if name in found]


def bounds(schema):
    kind = schema.get("type")
    low, high = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}.get(kind, ("minimum", "maximum"))
    return schema.get(low, 0), schema.get(high, "INT64_MAX" if kind == "integer" else 0)


def literal(value):
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return json.dumps(value if isinstance(value, str) else json.dumps(value))


def define_field(prefix, name, schema, required):
    low, high = bounds(schema)
    low = f"({low})" if low < 0 else low
    wide = f"INT64_C({high})" if isinstance(high, int) and high > 2**31 - 1 else high
    macro = f"{prefix}_{constant(name)}"
    yield f'#define {macro} .name = "{name}", .name_size = {len(name)}, .required = {literal(required)}, .min = {low}, .max = {wide}'
    if (low, high) != (0, 0):
        yield f"#define {macro}_MIN {low}"
        yield f"#define {macro}_MAX {wide}"
    for key in ("default", "x-taskq-default"):
        if key in schema:
            yield f"#define {macro}_DEFAULT {literal(schema[key])}"


def make_fields(document):
    lines = [MADE, "#ifndef TASKQ_WIRE_API_FIELDS_H", "#define TASKQ_WIRE_API_FIELDS_H", "", "#include <stdint.h>"]
    for name in asked_for(document):
        schema, prefix = document["components"]["schemas"][name], "TASKQ__API_" + constant(name)
        lines += ["", f"/* {name} */", f"#define {prefix}_COUNT {len(schema['properties'])}"]
        for field, part in schema["properties"].items():
            lines += define_field(prefix, field, part, field in schema.get("required", []))
    for _, _, operation in operations(document):
        query = [p for p in operation.get("parameters", []) if p["in"] in ("query", "header")]
        if query:
            prefix = "TASKQ__API_" + constant(operation["operationId"])
            asked = [p["name"] for p in query if p["in"] == "query"]
            lines += ["", f"/* {operation['operationId']} */"]
            if asked:
                lines += [f"#define {prefix}_NAMES {', '.join(json.dumps(name) for name in asked)}",
                          "enum { " + ", ".join(f"{prefix}_AT_{constant(name)}" for name in asked) + f", {prefix}_COUNT }};"]
            for p in query:
                lines += define_field(prefix, p["name"], p["schema"], p.get("required", False))
    return "\n".join([*lines, "", "#endif", ""])


def make_routes(document):
    rows = []
    for method, path, operation in operations(document):
        flags = [word for word, is_set in (
            ("BODY", "requestBody" in operation), ("QUERY", any(p["in"] == "query" for p in operation.get("parameters", []))),
            ("NO_HEAD", operation.get("x-taskq-no-head")), ("UNLOGGED", operation.get("x-taskq-unlogged"))) if is_set]
        rows.append(f'    {{"{method}", "{path}", taskq__{operation["x-taskq-handler"]}, TASKQ__ROLE_{operation["x-taskq-role"].upper()}, '
                    + (" | ".join("TASKQ__ROUTE_" + word for word in flags) or "0") + "},")
    return "\n".join([MADE, "static const taskq__route routes[] = {", *rows, "};", ""])


def make_document(document):
    served = json.loads(json.dumps(document))
    for _, _, operation in operations(served):
        del operation["x-taskq-handler"]
    return json.dumps(served, ensure_ascii=False, separators=(",", ":"))


def main():
    what, path, last = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    if what == "check":
        wrong = list(faults(document, last))
        print("\n".join(f"{path}: {text}" for text in wrong))
        return 1 if wrong else 0
    make = {"fields": make_fields, "routes": make_routes, "document": make_document}[what]
    with open(last, "w", encoding="utf-8") as file:
        file.write(make(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
