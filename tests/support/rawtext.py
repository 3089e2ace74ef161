# SPDX-License-Identifier: MIT
"""The text of a member of a JSON object, byte for byte: json.loads would hide what a server did to it."""
import json
import re

_decoder = json.JSONDecoder()
_space = re.compile(r"[ \t\r\n]*")


def _skip(text, at):
    return _space.match(text, at).end()


def raw_member(text, name):
    """The value's own text; None where the object has no such member."""
    at = _skip(text, 0)
    assert text[at] == "{", text[:100]
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _decoder.raw_decode(text, at)
        at = _skip(text, at)
        assert text[at] == ":", text[at:at + 20]
        start = _skip(text, at + 1)
        _, at = _decoder.raw_decode(text, start)
        if key == name:
            return text[start:at]
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return None
