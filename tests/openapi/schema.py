# SPDX-License-Identifier: MIT
"""Does a value fit a schema of the document? As much of JSON Schema as the document uses, and nothing that it does not: a keyword that
is not known here is an error, never overlooked."""
import re

KNOWN = {"type", "format", "description", "example", "default", "x-taskq-default", "enum", "minimum", "maximum", "minLength", "maxLength",
         "pattern", "items", "minItems", "maxItems", "properties", "required", "additionalProperties", "minProperties", "maxProperties"}
TIME = re.compile(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")


def is_integer(value):
    return not isinstance(value, bool) and (isinstance(value, int) or isinstance(value, float) and value == int(value))


KINDS = {"object": lambda value: isinstance(value, dict), "array": lambda value: isinstance(value, list),
         "string": lambda value: isinstance(value, str), "boolean": lambda value: isinstance(value, bool), "integer": is_integer,
         "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool)}


def resolve(document, schema):
    while "$ref" in schema:
        found = document
        for key in schema["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        schema = found
    return schema


def outside(size, schema, low, high):
    return size < schema.get(low, size) or size > schema.get(high, size)


def faults(document, schema, value, place="", closed=True):
    """What does not fit, each with its place. closed: a field that the schema does not name is a fault too, unless it says that more
    are allowed."""
    schema = resolve(document, schema)
    unknown = set(schema) - KNOWN
    assert not unknown, f"this validator does not know {unknown}"
    kind = schema.get("type")
    if kind is None:
        return
    if not KINDS[kind](value):
        yield f"{place or '/'}: {str(value)[:80]!r} is not of type {kind}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{place or '/'}: {str(value)[:80]!r} is none of {schema['enum']}"
    elif kind in ("integer", "number") and outside(value, schema, "minimum", "maximum"):
        yield f"{place or '/'}: {value} is out of range"
    elif kind == "integer" and abs(value) >= 2**63:
        yield f"{place or '/'}: {value} is no int64"
    elif kind == "string":
        yield from string_faults(schema, value, place)
    elif kind == "array":
        if outside(len(value), schema, "minItems", "maxItems"):
            yield f"{place or '/'}: {len(value)} elements"
        for index, item in enumerate(value):
            yield from faults(document, schema["items"], item, f"{place}/{index}", closed)
    elif kind == "object":
        yield from object_faults(document, schema, value, place, closed)


def string_faults(schema, value, place):
    if outside(len(value), schema, "minLength", "maxLength"):
        yield f"{place or '/'}: {len(value)} characters"
    elif "pattern" in schema and not re.search(schema["pattern"].removesuffix("$") + (r"\Z" if schema["pattern"].endswith("$") else ""), value):
        yield f"{place or '/'}: {value[:80]!r} does not match {schema['pattern']}"
    elif schema.get("format") == "date-time" and not TIME.match(value):
        yield f"{place or '/'}: {value[:80]!r} is no time"


def object_faults(document, schema, value, place, closed):
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}/{name}: is missing"
    if outside(len(value), schema, "minProperties", "maxProperties"):
        yield f"{place or '/'}: {len(value)} fields"
    for name, part in value.items():
        if name in properties:
            yield from faults(document, properties[name], part, f"{place}/{name}", closed)
        elif more is False or closed and more is not True:
            yield f"{place}/{name}: is not described"


def operations(document):
    """Each operation as (method, path, operation), its parameters complete and resolved."""
    for path, item in document["paths"].items():
        for method in item:
            if method != "parameters":
                operation = dict(item[method])
                operation["parameters"] = [resolve(document, one) for one in item.get("parameters", []) + operation.get("parameters", [])]
                yield method.upper(), path, operation


def body_schema(operation):
    return operation["requestBody"]["content"]["application/json"]["schema"] if "requestBody" in operation else None


def answer_faults(document, operation, status, content_type, value):
    """What of an answer the document does not allow. `value`: the body as JSON, or its text where it is none; None: there is no body."""
    answer = operation["responses"].get(str(status))
    if answer is None:
        yield f"status {status} is not described"
        return
    content = resolve(document, answer).get("content", {})
    kind = content_type.split(";")[0].strip() if content_type else None
    if not content:
        if value is not None:
            yield f"{status} has no body by the document"
    elif kind not in content:
        yield f"{status}: {kind} is not described"
    else:
        yield from faults(document, content[kind]["schema"], value)
