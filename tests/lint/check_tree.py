#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of the tree that no compiler knows: who includes whom, which functions are banned, how long a
file and a function may be, licence lines, formatting. Prints TAP."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

# layer -> the private headers ("folder/x.h") that it may include
LAYERS = {
    "core": {"core"},
    "wire": {"core", "wire"},
    "store": {"core", "store"},
    "scheduler": {"core", "store", "scheduler"},
    "server": {"core", "wire", "server"},
    "worker": {"core", "wire", "worker"},
}
# layer -> the public headers that are another layer's business. What is not named here is vocabulary: the
# records of sys/store.h are what core's state machine decides on, and those of scheduler.h what wire writes.
FOREIGN_PUBLIC = {
    "core": {"store", "scheduler", "server", "client", "worker", "sqlite", "postgres", "taskq"},
    "wire": {"store", "server", "client", "worker", "sqlite", "postgres", "taskq", "sys/store"},
    "store": {"scheduler", "server", "client", "worker", "taskq"},
    "scheduler": {"server", "client", "worker", "sqlite", "postgres", "taskq"},
    "server": {"client", "worker", "sqlite", "postgres", "taskq", "sys/store"},
    "worker": {"store", "scheduler", "server", "sqlite", "postgres", "taskq", "sys/store"},
}
# third-party header -> where it may stand
THIRD_PARTY = {
    r"civetweb\.[ch]": ("lib/server/front_civetweb.c", "lib/server/civetweb_unit.h", "examples/embed_beside_civetweb.c"),
    r"server/civetweb_unit\.h": ("lib/server/front_civetweb.c",),
    r"curl/.*|curl\.h": ("lib/worker/transport_curl.h",),
    r"worker/transport_curl\.h": ("lib/worker/transport.c", "lib/worker/transport_curl.c", "lib/worker/call.c"),
    r"(cjson/)?cJSON\.h": ("lib/wire/json.c",),
    r"sqlite3\.h": ("lib/store/sqlite/", "examples/transactional_enqueue.c"),
    r"libpq-fe\.h|pg_config\.h|postgresql/.*": ("lib/store/postgres/", "examples/transactional_enqueue_postgres.c"),
    r"openssl/.*": ("lib/worker/handlers/sha256.c", "lib/server/secret.c", "lib/server/tls.c", "lib/server/probe.c",
                    "lib/server/civetweb_unit.h"),
    r"server/civetweb_conn\.h": ("lib/server/front_civetweb.c",),
}
# A whole program may use what a library may not: it owns its process.
BANNED = ("strcpy strcat sprintf vsprintf gets strtok atoi atol atoll atof scanf fscanf sscanf vscanf vsscanf vfscanf "
          "alloca system popen setjmp longjmp sigsetjmp siglongjmp mg_handle_form_request").split()
# Memory is the host's to give: lib/core/alloc.c alone knows the C library's.
BANNED_BUT_IN_ALLOC = ("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf getline getdelim "
                       "open_memstream aligned_alloc posix_memalign memalign valloc").split()
BANNED_IN_LIBRARY = "exit _exit abort printf puts putchar perror signal sigaction setlocale putenv setenv".split()


def sources(*folders, suffixes=(".c", ".h")):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path


def relative(path):
    return path.relative_to(ROOT).as_posix()


def without_text(code):
    """The code with comments and literals blanked out, line numbers kept."""
    pattern = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)

    def blank(match):
        text = match.group(0)
        if text[0] in "\"'":
            return text[0] * 2
        return re.sub(r"[^\n]", " ", text)

    return pattern.sub(blank, code)


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = re.match(r"""\s*#\s*include\s*([<"])([^>"]+)[>"]""", line)
        if match:
            yield number, match.group(1), match.group(2)


def layers_include_only_what_they_may():
    for path in sources("lib"):
        layer = relative(path).split("/")[1]
        if layer not in LAYERS:
            continue
        for number, quote, name in includes(path):
            where = f"{relative(path)}:{number}: {name}"
            if quote == '"':
                if "/" not in name and not re.fullmatch(r"civetweb\.[ch]", name):
                    yield f"{where}: a private header is included as \"layer/x.h\""
                elif "/" in name and name.split("/")[0] not in LAYERS[layer]:
                    yield f"{where}: {layer} may not include {name.split('/')[0]}"
                elif layer == "scheduler" and name.startswith("store/sqlite"):
                    yield f"{where}: the scheduler knows no concrete store"
            elif name.startswith("taskq/"):
                public = name[len("taskq/"):-len(".h")]
                if public in FOREIGN_PUBLIC[layer]:
                    yield f"{where}: {layer} may not include it"


def third_party_headers_stand_in_their_one_place():
    for path in sources("lib", "apps", "include", "examples"):
        for number, _, name in includes(path):
            for pattern, places in THIRD_PARTY.items():
                if re.fullmatch(pattern, name) and not any(relative(path).startswith(place) for place in places):
                    yield f"{relative(path)}:{number}: {name} belongs in {' '.join(places) or 'no file of ours'}"


def apps_and_examples_know_only_public_headers():
    for path in sources("apps", "examples"):
        own = relative(path).split("/")[1]
        for number, quote, name in includes(path):
            if quote == '"' and "/" in name and name.split("/")[0] not in ("common", own):
                yield f"{relative(path)}:{number}: {name}: only <taskq/...>, apps/common and the own folder"
            if quote == '"' and not (path.parent / name).exists() and not (ROOT / "apps" / name).exists():
                yield f"{relative(path)}:{number}: {name} is not in the own folder"


def public_headers_include_only_public_and_standard_ones():
    standard = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h"}
    for path in sources("include"):
        for number, quote, name in includes(path):
            if quote == '"' or not (name.startswith("taskq/") or name in standard):
                yield f"{relative(path)}:{number}: {name}"


def banned_functions_are_not_called():
    for path in sources("lib", "apps", "include", "examples"):
        names = BANNED + (BANNED_IN_LIBRARY if relative(path).startswith("lib/") else [])
        if relative(path).startswith("lib/") and relative(path) != "lib/core/alloc.c":
            names = names + BANNED_BUT_IN_ALLOC
        if relative(path) == "lib/server/civetweb_unit.h":
            names = BANNED
        call = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")
        for number, line in enumerate(without_text(path.read_text(encoding="utf-8")).splitlines(), 1):
            for match in call.finditer(line):
                yield f"{relative(path)}:{number}: {match.group(1)}"


def every_file_names_its_licence():
    for path in sources("lib", "apps", "include", "examples", "tests"):
        if path.read_text(encoding="utf-8").split("\n", 1)[0] != "/* SPDX-License-Identifier: MIT */":
            yield f"{relative(path)}:1"
    for path in sources("lib", "apps", "examples", "tests", suffixes=(".py", ".sh", ".build")):
        if "SPDX-License-Identifier: MIT" not in "".join(path.read_text(encoding="utf-8").splitlines(True)[:2]):
            yield f"{relative(path)}:1"


def files_are_of_a_length_one_can_read():
    for path in sources("lib", "apps", "include"):
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > FILE_LINES_MAX:
            yield f"{relative(path)}: {count} lines, {FILE_LINES_MAX} at most"


def functions_are_of_a_length_one_can_read():
    for path in sources("lib", "apps", "include", "examples"):
        begin = None
        lines = without_text(path.read_text(encoding="utf-8")).splitlines()
        for number, line in enumerate(lines, 1):
            # By our style the braces of a function's body stand alone in the first column.
            if line == "{" or re.match(r"[a-z].*\) \{$", line):
                begin = number
            elif line == "}" and begin is not None:
                if number - begin - 1 > FUNCTION_LINES_MAX:
                    yield f"{relative(path)}:{begin}: {number - begin - 1} lines, {FUNCTION_LINES_MAX} at most"
                begin = None


def every_source_and_test_is_named_in_a_build_file():
    paths = list(sources("lib", "apps", suffixes=(".c",)))
    paths += sorted((ROOT / "tests").glob("*/test_*.c")) + sorted((ROOT / "tests").glob("*/test_*.py"))
    for path in paths:
        builds = [folder / "meson.build" for folder in (path.parent, path.parent.parent)]
        texts = [(build.parent, build.read_text(encoding="utf-8")) for build in builds if build.exists()]
        if not any("glob" in text or f"'{path.relative_to(folder).as_posix()}'" in text for folder, text in texts):
            yield relative(path)


def no_line_is_left_for_later():
    for path in sources("lib", "apps", "include", "examples", "tests", suffixes=(".c", ".h")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                yield f"{relative(path)}:{number}: {line.strip()}"


def c_files_are_formatted():
    tool = shutil.which("clang-format")
    if tool is None:
        return "SKIP clang-format is not installed"
    paths = [str(path) for path in sources("lib", "apps", "include", "examples", "tests")]
    if not paths:
        return []
    run = subprocess.run([tool, "--dry-run", "--Werror", *paths], capture_output=True, text=True, cwd=ROOT)
    places = re.findall(r"^(\S+?):(\d+):\d+: error:", run.stderr, re.MULTILINE)
    wrong = {}
    for path, line in places:
        wrong.setdefault(path, line)
    wrong = [f"{relative(pathlib.Path(path))}:{line} and further: clang-format -i" for path, line in wrong.items()]
    return wrong if wrong or run.returncode == 0 else run.stderr.splitlines()


def scripts_pass_shellcheck():
    tool = shutil.which("shellcheck")
    if tool is None:
        return "SKIP shellcheck is not installed"
    scripts = []
    candidates = [ROOT / "dev", ROOT / ".ci" / "run"]
    for folder in ("apps", "examples", "tests"):
        candidates += [path for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
    for path in candidates:
        with open(path, "rb") as file:
            if re.match(rb"#!\S*(/bin/(ba)?sh|env (ba)?sh)\b", file.readline()):
                scripts.append(relative(path))
    run = subprocess.run([tool, "--format=gcc", *scripts], capture_output=True, text=True, cwd=ROOT)
    return run.stdout.splitlines()


CHECKS = [
    layers_include_only_what_they_may,
    third_party_headers_stand_in_their_one_place,
    apps_and_examples_know_only_public_headers,
    public_headers_include_only_public_and_standard_ones,
    banned_functions_are_not_called,
    every_file_names_its_licence,
    files_are_of_a_length_one_can_read,
    functions_are_of_a_length_one_can_read,
    every_source_and_test_is_named_in_a_build_file,
    no_line_is_left_for_later,
    c_files_are_formatted,
    scripts_pass_shellcheck,
]


def main():
    failed = 0
    print("TAP version 13")
    print(f"1..{len(CHECKS)}")
    for number, check in enumerate(CHECKS, 1):
        found = check()
        if isinstance(found, str):
            print(f"ok {number} - {check.__name__} # {found}")
            continue
        found = list(found)
        failed += bool(found)
        print(f"{'not ok' if found else 'ok'} {number} - {check.__name__}")
        for line in found:
            print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
