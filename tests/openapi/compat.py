#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does the document break a client that was made for the last released one? The rules stand in the document's own description, under
Versions; what is not allowed there by name is a break.

    compat.py RELEASED.json CURRENT.json
"""
import json
import sys

from schema import resolve

ROLES = {"open": 0, "viewer": 1, "worker": 1, "producer": 2, "admin": 3}
# keyword -> whether a greater number asks for more
LIMITS = {"minimum": True, "maximum": False, "minLength": True, "maxLength": False, "minItems": True, "maxItems": False, "minProperties": True,
          "maxProperties": False}


class Comparison:
    def __init__(self, old, new):
        self.old, self.new, self.found, self.seen = old, new, [], set()

    def say(self, place, text):
        self.found.append(f"{place}: {text}")

    def run(self):
        for path, item in self.old["paths"].items():
            for method in item:
                if method != "parameters":
                    place = f"{method.upper()} {path}"
                    if method in self.new["paths"].get(path, {}):
                        self.operation(place, self.complete(self.old, path, method), self.complete(self.new, path, method))
                    else:
                        self.say(place, "is gone")
        return self.found

    @staticmethod
    def complete(document, path, method):
        item = document["paths"][path]
        parameters = [resolve(document, one) for one in item.get("parameters", []) + item[method].get("parameters", [])]
        return {**item[method], "parameters": {(one["in"], one["name"]): one for one in parameters}}

    def operation(self, place, old, new):
        if old["operationId"] != new["operationId"] or old["tags"] != new["tags"]:
            self.say(place, "has another operationId or tag: generated clients call it by these")
        before, after = old["x-taskq-role"], new["x-taskq-role"]
        if before != after and (ROLES[after] >= ROLES[before] or before == "worker"):
            self.say(place, f"was for {before}, is for {after}")
        for key, one in old["parameters"].items():
            if key not in new["parameters"]:
                self.say(place, f"parameter {key[1]} is gone")
            else:
                self.schema(f"{place} {key[1]}", one["schema"], new["parameters"][key]["schema"], asked=True)
        for key, one in new["parameters"].items():
            if one.get("required") and not old["parameters"].get(key, {}).get("required"):
                self.say(place, f"parameter {key[1]} is required now")
        self.body(place, old.get("requestBody"), new.get("requestBody"))
        self.answers(place, old["responses"], new["responses"])

    def body(self, place, old, new):
        if new and new.get("required") and not (old and old.get("required")):
            self.say(place, "a body is required now")
        if old and not new:
            self.say(place, "takes no body any more")
        elif old:
            self.contents(f"{place} body", old["content"], new["content"], asked=True)

    def answers(self, place, old, new):
        for status in sorted(set(old) | set(new)):
            if status[0] != "2":
                continue
            if status not in old or status not in new:
                self.say(place, f"{status} is {'new' if status not in old else 'gone'}: a success must answer as it did")
                continue
            before, after = resolve(self.old, old[status]), resolve(self.new, new[status])
            if set(before.get("content", {})) != set(after.get("content", {})):
                self.say(place, f"{status} is of another type")
            self.contents(f"{place} {status}", before.get("content", {}), after.get("content", {}), asked=False)
            for header in set(before.get("headers", {})) - set(after.get("headers", {})):
                self.say(place, f"{status} has no {header} any more")

    def contents(self, place, old, new, asked):
        for kind, content in old.items():
            if kind in new:
                self.schema(place, content["schema"], new[kind]["schema"], asked)
            elif asked:
                self.say(place, f"{kind} is not taken any more")

    def schema(self, place, old, new, asked):
        """asked: the client sends it, so less must not be allowed; otherwise it reads it, so less must not be promised."""
        if old.get("$ref") != new.get("$ref"):
            self.say(place, f"was {old.get('$ref', 'written out')}, is {new.get('$ref', 'written out')}: generated clients name types so")
            return
        if "$ref" in old:
            place = old["$ref"].rpartition("/")[2]
            if (place, asked) in self.seen:
                return
            self.seen.add((place, asked))
            old, new = resolve(self.old, old), resolve(self.new, new)
        if (old.get("type"), old.get("format")) != (new.get("type"), new.get("format")):
            self.say(place, "is of another type")
            return
        for keyword in ("default", "x-taskq-default"):
            if old.get(keyword) != new.get(keyword):
                self.say(place, "has another default")
        if asked:
            self.limits(place, old, new)
        elif set(old.get("required", [])) - set(new.get("required", [])):
            self.say(place, f"{sorted(set(old.get('required', [])) - set(new.get('required', [])))} may be missing now")
        if asked and set(new.get("required", [])) - set(old.get("required", [])):
            self.say(place, f"{sorted(set(new.get('required', [])) - set(old.get('required', [])))} must be given now")
        for name, part in old.get("properties", {}).items():
            if name in new.get("properties", {}):
                self.schema(f"{place}.{name}", part, new["properties"][name], asked)
            else:
                self.say(place, f"{name} is gone")
        if "items" in old:
            self.schema(f"{place}[]", old["items"], new["items"], asked)

    def limits(self, place, old, new):
        for keyword, more_is_tighter in LIMITS.items():
            before, after = old.get(keyword), new.get(keyword)
            if after is not None and (before is None or (after > before if more_is_tighter else after < before)):
                self.say(place, f"{keyword} was {before}, is {after}")
        if new.get("pattern") is not None and new.get("pattern") != old.get("pattern"):
            self.say(place, "has another pattern")
        gone = set(old.get("enum", ["anything else"])) - set(new.get("enum", old.get("enum", ["anything else"])))
        if gone:
            self.say(place, f"{sorted(map(str, gone))} is not taken any more")


def version(document):
    return tuple(int(part) for part in document["info"]["version"].split("."))


def breaks(old, new):
    """What a client of `old` may stumble over in `new`, unless the version says that it may."""
    before, after = version(old), version(new)
    if after < before:
        return [f"the version goes back from {before} to {after}"]
    raised = after[0] > before[0] or before[0] == 0 and after[:2] > before[:2]
    return [] if raised else Comparison(old, new).run()


def main():
    documents = []
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            documents.append(json.load(file))
    found = breaks(*documents)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
