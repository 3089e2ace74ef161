#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a client of the API from its OpenAPI document, with openapi-generator: ./dev client c|python|typescript.

    generate.py LANGUAGE GENERATOR.jar DOCUMENT FOLDER      into FOLDER/LANGUAGE, made anew
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
GENERATORS = {
    # The generator's own object_t for "any JSON" forgets the value; ours keeps its text.
    "c": ["-g", "c", "-t", str(HERE / "c" / "template")],
    "python": ["-g", "python", "--package-name", "taskq_client"],
    "typescript": ["-g", "typescript-fetch", "--additional-properties=typescriptThreePlus=true"],
}


# What this version of the generator gets wrong in C, put right in what it made: (file, before, after).
REPAIRS = [
    # The answer was read as a text that has an end, and had none.
    ("src/apiClient.c", "    apiClient->dataReceivedLen += size_this_time;\n",
     "    apiClient->dataReceivedLen += size_this_time;\n    ((char *)apiClient->dataReceived)[apiClient->dataReceivedLen] = '\\0';\n"),
    # It knows no bearer tokens: a password without a username is one.
    ("src/apiClient.c", "        struct curl_slist *headers = NULL;\n",
     "        struct curl_slist *headers = NULL;\n"
     "        if (apiClient->password != NULL && apiClient->username == NULL) {\n"
     "            size_t size = strlen(apiClient->password) + sizeof(\"Authorization: Bearer \");\n"
     "            char *line = malloc(size);\n"
     "            if (line != NULL) {\n"
     "                snprintf(line, size, \"Authorization: Bearer %s\", apiClient->password);\n"
     "                headers = curl_slist_append(headers, line);\n"
     "                free(line);\n"
     "            }\n"
     "        }\n"),
]
# The same in every file of the API, by pattern.
API_REPAIRS = [
    # A library does not talk on standard output of every answer that it gets.
    (r"    if \(apiClient->response_code == \d+\) \{\n        printf\([^\n]*\);\n    \}\n", ""),
    # A header that is not given was freed all the same.
    (r"(char \* valueHeader_\w+);", r"\1 = NULL;"),
    # The macro wrote into a variable of its own and left the caller's as it was.
    (r"(#define intToStr\(dst, src\) \\\n    do \{\\\n)    char dst\[256\];\\\n", r"\1"),
]


def repair(out):
    for name, before, after in REPAIRS:
        text = (out / name).read_text(encoding="utf-8")
        if text.count(before) != 1:
            raise SystemExit(f"{name} is not as it was when it was repaired: the generator is another?")
        (out / name).write_text(text.replace(before, after), encoding="utf-8")
    for before, after in API_REPAIRS:
        count = 0
        for path in (out / "api").glob("*.c"):
            text, times = re.subn(before, after, path.read_text(encoding="utf-8"))
            path.write_text(text, encoding="utf-8")
            count += times
        if count == 0:
            raise SystemExit(f"api/*.c: nothing like {before} to repair: the generator is another?")


def any_as_object(value):
    """For C: a field that may be any JSON is left out by the generator; called an object it is an object_t."""
    if isinstance(value, dict):
        for part in value.get("properties", {}).values():
            if "type" not in part and "$ref" not in part:
                part["type"] = "object"
        for part in value.values():
            any_as_object(part)
    elif isinstance(value, list):
        for part in value:
            any_as_object(part)
    return value


def main():
    language, jar, source, folder = sys.argv[1:]
    out = pathlib.Path(folder) / language
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    document = json.loads(pathlib.Path(source).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as work:
        given = pathlib.Path(work) / "openapi.json"
        given.write_text(json.dumps(any_as_object(document) if language == "c" else document), encoding="utf-8")
        done = subprocess.run(["java", "-jar", jar, "generate", "-i", str(given), "-o", str(out), *GENERATORS[language]],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
        return 1
    if language == "c":
        repair(out)
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
