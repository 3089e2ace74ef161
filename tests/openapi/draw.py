# SPDX-License-Identifier: MIT
"""Draws requests from the document: good ones, and ones with one thing wrong. All comes from one random.Random, so a seed tells it all."""
import copy
import json
import urllib.parse

from schema import body_schema, faults, resolve

try:
    from re import _parser as pattern_parser
except ImportError:
    import sre_parse as pattern_parser

TEXTS = ["", "a", "é", "日本", "\U0001f600", "a\tb", "%00", "'; --", "<b>", "\\", '"', "null", " ", "\u202e", "x" * 300, "\u0000", "a,b", "../..", "\r\n"]
WRONG = [True, False, 0, -1, 1.5, 2**63, -2**63 - 1, 10**40, "", "x", "\u0000", [], [[]], {}, {"a": 1}, "9" * 400]
BROKEN_TEXTS = [b"", b"{", b"}", b"[1,", b"nul", b"{}{}", b'{"a":1,}', b"{'a':1}", b'{"a":NaN}', b'{"a":01}', b'{"a":"\n"}', b"\xef\xbb\xbf{}",
                b'{"a":"\xff"}', b'{"a":"\\ud800"}', b'{"a":"\\x"}', b"\x00", b'{"a":1e}', b'{"a":+1}', b'{a:1}', b"{" * 50000, b'{"a":' * 50000]
BROKEN_QUERIES = ["%", "limit=%zz", "a=%ff", "%00=1", "queue=%C0%80"]
BODY_BYTES_MAX = 1 << 20
LONE_IDS = ["0", "-1", "abc", "1.0", "01", "+1", "9223372036854775808", "9" * 300, "%31", "1%00", "1 ", "", ".", "..", "1;a=b", "%ff"]


class Request:
    def __init__(self, method, path, query, headers, body, good, why):
        self.method, self.path, self.query, self.headers, self.body, self.good, self.why = method, path, query, headers, body, good, why

    @property
    def target(self):
        return self.path + (f"?{self.query}" if self.query else "")

    def __str__(self):
        return f"{self.method} {self.target[:600]} {self.headers} {(self.body or b'')[:2000]!r} ({'good' if self.good else self.why})"


class Draw:
    def __init__(self, document, random):
        self.document, self.random = document, random
        self.queues = [f"q{i}" for i in range(6)]
        self.jobs = [(1, 1)]  # (id, version) that were seen, the newest last
        self.cursors = []

    def seen(self, value):
        """Takes ids and versions out of an answer, so that later requests meet jobs that exist."""
        for one in [value, *(value.get("jobs") or [])]:
            if isinstance(one, dict) and "id" in one and "version" in one:
                self.jobs.append((one["id"], one["version"]))
        if value.get("next_cursor"):
            self.cursors.append(value["next_cursor"])
        del self.jobs[:-200], self.cursors[:-20]

    def often(self, share):
        return self.random.random() < share

    # ---- good values ----

    def text_like(self, pattern, low, high):
        def go(tokens):
            out = []
            for kind, value in tokens:
                name = str(kind)
                if name == "LITERAL":
                    out.append(chr(value))
                elif name == "IN":
                    out.append(self.one_of(value))
                elif name in ("MAX_REPEAT", "MIN_REPEAT"):
                    least, most, inner = value
                    count = self.random.choice([least, min(int(most), least + 12), self.random.randint(least, min(int(most), least + 12))])
                    out.extend(go(inner) for _ in range(count))
                elif name == "SUBPATTERN":
                    out.append(go(value[3]))
            return "".join(out)
        text = go(pattern_parser.parse(pattern))
        while len(text) < low:
            text += go(pattern_parser.parse(pattern)) or "a"
        return text[:high]

    def one_of(self, choices):
        if str(choices[0][0]) == "NEGATE":
            return self.random.choice("aZ09 é日😀%&=+#?/\\\"'~")
        kind, value = self.random.choice(choices)
        return chr(value) if str(kind) == "LITERAL" else chr(self.random.randint(*value))

    def value(self, schema, name=""):
        schema = resolve(self.document, schema)
        kind = schema.get("type")
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if kind is None:
            return self.any_json()
        if kind == "boolean":
            return self.often(0.5)
        if kind == "string":
            return self.string(schema, name)
        if kind in ("integer", "number"):
            return self.number(schema, name)
        if kind == "array":
            low, high = schema.get("minItems", 0), schema.get("maxItems", 8)
            few = min(high, low + 3)
            return [self.value(schema["items"], name) for _ in range(high if self.often(0.01) else self.random.randint(low, few))]
        return self.fix({field: self.value(part, field) for field, part in schema["properties"].items()
                         if field in schema.get("required", []) or self.often(0.4)}, schema)

    def string(self, schema, name):
        if name == "queue" or name == "name":
            return self.random.choice(self.queues)
        if schema.get("format") == "date-time":
            return self.random.choice(["1970-01-01T00:00:00Z", "2100-12-31T23:59:59.999Z", "2026-01-31T08:00:00+02:00", "2020-02-29T12:00:00.123456Z"])
        if "pattern" in schema:
            low, high = schema.get("minLength", 0), schema.get("maxLength", 4000)
            if self.often(0.05) and high <= 256:
                return self.text_like(schema["pattern"], high, high)
            return self.text_like(schema["pattern"], low, high)
        return self.random.choice(TEXTS) if self.often(0.97) else "lång " * self.random.randint(0, 2000)

    def number(self, schema, name):
        low, high = schema.get("minimum", 0), schema.get("maximum", 2**63 - 1)
        if name == "wait":
            return self.random.choice([0, 0.001, 0.01])
        if schema["type"] == "number":
            return self.random.choice([low, high, self.random.uniform(low, high), (low + high) / 2])
        return self.random.choice([low, high, min(high, low + 1), self.random.randint(low, high), self.random.randint(low, min(high, low + 2000))])

    def any_json(self, depth=0):
        pick = self.random.randrange(8 if depth < 3 else 5)
        return (None, True, 2**70, self.random.choice(TEXTS), -1.25e-7, {"a": 1}, [self.any_json(depth + 1) for _ in range(2)] if depth < 3 else 0,
                "y" * self.random.choice([0, 10, 100, 20000 if self.often(0.1) else 1]))[pick]

    def fix(self, value, schema):
        """What the document says in words only: what may not stand beside what."""
        fields = schema["properties"]
        if "jobs" in fields and "type" in fields and "jobs" in value and self.often(0.4):
            return {"jobs": value["jobs"]}
        if "jobs" in fields and "type" in fields:
            value.pop("jobs", None)
            value.setdefault("type", "t")
        if "run_at" in value:
            value.pop("delay_ms", None)
        if "tags" in value:
            value["tags"] = list(dict.fromkeys(value["tags"]))
        if "poll" in value:
            value.setdefault("worker", "w")
        if "status" in value and "retry" in fields:
            for field in ("error", "retry", "retry_in_ms") if value["status"] == "succeeded" else ("result",):
                value.pop(field, None)
        if len(value) < schema.get("minProperties", 0):
            field = self.random.choice(list(fields))
            value[field] = self.value(fields[field], field)
        if fields.get("version", {}).get("type") == "integer" and self.often(0.8):
            job, version = self.random.choice(self.jobs[-30:])
            value.update({name: known for name, known in (("id", job), ("version", version)) if name in value})
        return value

    # ---- requests ----

    def request(self, method, path, operation):
        good, why = self.often(0.55), ""
        query, headers = [], {}
        for one in operation["parameters"]:
            if one["in"] == "path":
                path = path.replace("{%s}" % one["name"], self.path_value(one))
            elif one["in"] == "header":
                if self.often(0.3):
                    headers[one["name"]] = self.header_value(one)
            elif self.often(0.3):
                query.append((one["name"], self.query_value(one)))
        self.fix_query(query)
        schema, body = body_schema(operation), None
        if schema and (operation["requestBody"].get("required") or self.often(0.5)):
            body = self.value(schema)
        request = Request(method, path, urllib.parse.urlencode(query), headers, None if body is None else json.dumps(body).encode(), good, why)
        if request.body is not None:
            request.headers["Content-Type"] = self.random.choice(["application/json"] * 5 + ["application/json; charset=utf-8", "Application/JSON"])
        if len(request.body or b"") > BODY_BYTES_MAX:
            request.good = good = None
        if good is False:
            self.spoil(request, operation, query, schema, body)
        return request

    def path_value(self, parameter):
        if parameter["name"] == "id":
            return str(self.random.choice(self.jobs)[0]) if self.often(0.9) else str(self.number(parameter["schema"], ""))
        return urllib.parse.quote(self.value(parameter["schema"], parameter["name"]), safe="")

    def header_value(self, parameter):
        return self.value(parameter["schema"]) if "pattern" in parameter["schema"] else self.random.choice([parameter["example"], "x", "return=minimal"])

    def query_value(self, parameter):
        if parameter["name"] == "cursor":
            return self.random.choice(self.cursors) if self.cursors else ""
        if parameter["name"] in ("q", "worker"):
            return self.text_like("^[A-Za-z0-9._:/-]+$", 1, 20)
        return self.value(parameter["schema"], parameter["name"])

    def fix_query(self, query):
        names = [name for name, _ in query]
        query[:] = [(name, value) for name, value in query if (name, value) != ("cursor", "")]
        if "poll" in names and "worker" not in names:
            query.append(("worker", "w"))

    # ---- one thing wrong ----

    def spoil(self, request, operation, query, schema, body):
        ways = [self.unknown_parameter, self.broken_query]
        if "{id}" in operation["path"]:
            ways.append(self.bad_id)
        if query:
            ways += [self.twice, self.bad_parameter, self.bad_parameter]
        if schema:
            ways += [self.bad_text, self.wrong_kind, self.huge]
        if body:
            ways += [self.bad_field] * 6 + [self.double_key]
        way = self.random.choice(ways)
        request.why = way.__name__
        way(request, operation, query, schema, body)

    def bad_id(self, request, operation, query, schema, body):
        request.path = operation["path"].replace("{id}", urllib.parse.quote(self.random.choice(LONE_IDS), safe="%"))
        request.outside = True

    def unknown_parameter(self, request, operation, query, schema, body):
        request.query = urllib.parse.urlencode([*query, (self.random.choice(["colour", "Limit", "q[]", "é", "a" * 300]), "1")])

    def broken_query(self, request, operation, query, schema, body):
        request.query = self.random.choice(BROKEN_QUERIES)

    def twice(self, request, operation, query, schema, body):
        request.query = urllib.parse.urlencode([*query, query[0]])

    def bad_parameter(self, request, operation, query, schema, body):
        index = self.random.randrange(len(query))
        name = query[index][0]
        part = next(one["schema"] for one in operation["parameters"] if one["name"] == name)
        query[index] = (name, self.bad_word(part))
        request.query = urllib.parse.urlencode(query)
        # In a query every value is a text: what is bad is told by the text alone.
        request.good = None if part.get("type") == "string" and not list(faults(self.document, part, query[index][1])) else False

    def bad_word(self, schema):
        if schema.get("type") in ("integer", "number"):
            return self.random.choice([schema["minimum"] - 1, schema["maximum"] + 1, "x", "", "1e400", "0x10", " 1", "1 ", "NaN", "--1", 10**30, "١"])
        return self.random.choice(["", " ", "a b", "é", "\u0000", "a" * 5000, ",", "a,", ",a", ",".join(f"n{i}" for i in range(40)), "a\nb", "'", "%"])

    def bad_text(self, request, operation, query, schema, body):
        request.body = self.random.choice(BROKEN_TEXTS)
        request.headers["Content-Type"] = "application/json"
        if request.body == b"" and not operation["requestBody"].get("required"):
            request.good = None

    def wrong_kind(self, request, operation, query, schema, body):
        request.body = request.body or b"{}"
        request.headers["Content-Type"] = self.random.choice(["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", "application/problem+json"])

    def huge(self, request, operation, query, schema, body):
        request.body = b'{"a":"' + b"x" * (1 << 20) + b'"}'
        request.headers["Content-Type"] = "application/json"

    def double_key(self, request, operation, query, schema, body):
        name = self.random.choice(list(body))
        text = json.dumps(body)
        request.body = (text[:-1] + ", " + json.dumps(name) + ": " + json.dumps(body[name]) + "}").encode()

    def bad_field(self, request, operation, query, schema, body):
        """Somewhere in the body: a field too many, one too few, a value of another kind or beyond its range."""
        body = copy.deepcopy(body)
        owner, part = body, resolve(self.document, schema)
        while True:
            inner = [(name, field) for name, field in owner.items()
                     if isinstance(field, dict) and field and "$ref" in part["properties"].get(name, {})
                     or isinstance(field, list) and field and "$ref" in part["properties"].get(name, {}).get("items", {})]
            if not inner or self.often(0.4):
                break
            name, field = self.random.choice(inner)
            part = resolve(self.document, part["properties"][name].get("items", part["properties"][name]))
            owner = field if isinstance(field, dict) else self.random.choice(field)
        pick = self.random.randrange(4)
        if pick == 0 or not owner:
            owner[self.random.choice(["colour", "Type", "", "é", "a" * 300, "__proto__", "\u0000"])] = self.random.choice(WRONG)
        elif pick == 1 and part.get("required"):
            owner.pop(self.random.choice(part["required"]), None)
        else:
            name = self.random.choice(list(owner))
            owner[name] = self.bad_value(part["properties"].get(name, {}))
        request.body = json.dumps(body).encode()
        # Which of them the document forbids is for the validator to say; the rest may be taken or not.
        request.good = False if list(faults(self.document, schema, body)) else None

    def bad_value(self, schema):
        schema = resolve(self.document, schema)
        choices = list(WRONG)
        if schema.get("type") in ("integer", "number"):
            choices += [schema.get("minimum", 0) - 1, schema.get("maximum", 2**63 - 1) + 1] * 4
        if schema.get("maxLength", 10**9) < 10**4:
            choices += ["a" * (schema["maxLength"] + 1), "a b\u0007"] * 4
        if schema.get("maxItems", 10**9) < 10**4:
            choices += [[self.value(schema["items"])] * (schema["maxItems"] + 1)] * 4
        return self.random.choice(choices)
