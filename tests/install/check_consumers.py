#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs of strangers: a meson project, a CMake one, a Makefile and C++ on the installed libraries, taskq as a subproject,
and each half built alone where the other one's dependencies are not to be had. Prints TAP.

    check_consumers.py BUILD_DIRECTORY
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from check_install import BUILD, HERE, Installed, run  # noqa: E402

ROOT = HERE.parents[1]
CONSUMER = ROOT / "examples" / "consumer"
LISTS = HERE / "symbols"
SAID = "job 1 is succeeded\n"
ALONE = ["-Dpostgres=disabled", "-Dtests=false", "-Dexamples=false", "-Dbench=false", "-Dman=disabled", "-Ddocs=disabled"]
CXX_WARNINGS = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return f"SKIP {', '.join(missing)} is not installed" if missing else None


def hidden(folder, *packages):
    """An environment in which pkg-config knows everything but these."""
    place = pathlib.Path(folder) / "pkgconfig"
    place.mkdir()
    for path in run("pkg-config", "--variable", "pc_path", "pkg-config").strip().split(":"):
        for file in pathlib.Path(path).glob("*.pc") if pathlib.Path(path).is_dir() else []:
            if file.stem not in packages and not (place / file.name).exists():
                (place / file.name).symlink_to(file.resolve())
    return {**os.environ, "PKG_CONFIG_LIBDIR": str(place), "PKG_CONFIG_PATH": ""}


def a_meson_project_needs_nothing_but_pkg_config(at, folder):
    # The prefix was moved: what pkg-config is called with there is what it is called with here.
    environment = {**at.environment, "PKG_CONFIG": wrapped_pkg_config(at, folder)}
    said = run("meson", "setup", folder / "build", CONSUMER, env=environment)
    assert re.search(r"taskq serves TLS: (true|false)", said), said
    run("ninja", "-C", folder / "build", env=environment)
    assert run(folder / "build" / "host", env=at.environment) == SAID


def wrapped_pkg_config(at, folder):
    script = folder / "pkg-config"
    script.write_text(f'#!/bin/sh\nexec pkg-config --define-variable=prefix={at.prefix} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return str(script)


def a_cmake_project_needs_nothing_but_pkg_config(at, folder):
    environment = {**at.environment, "PKG_CONFIG": wrapped_pkg_config(at, folder)}
    run("cmake", "-S", CONSUMER, "-B", folder / "build", env=environment)
    run("cmake", "--build", folder / "build", env=environment)
    assert run(folder / "build" / "host", env=at.environment) == SAID


def a_makefile_needs_nothing_but_pkg_config(at, folder):
    run("make", "-C", CONSUMER, f"BUILD={folder}", env={**at.environment, "PKG_CONFIG": wrapped_pkg_config(at, folder)})
    assert run(folder / "host", env=at.environment) == SAID


def is_there(flag):
    """Debian's libcurl names libraries that its own archive would need, and does not bring them."""
    name = f"lib{flag[2:]}.so"
    return not flag.startswith("-l") or flag.startswith("-ltaskq") or run("cc", f"-print-file-name={name}").strip() != name


def a_static_program_needs_nothing_but_pkg_config(at, folder):
    for library, name in (("taskq-worker", "consumer_worker"), ("taskq-scheduler", "consumer_scheduler")):
        flags = at.flags("--static", "--cflags", "--libs", library)
        flags = [f"-l:lib{library}.a" if flag == f"-l{library}" else flag for flag in flags if is_there(flag)]
        run("cc", HERE / f"{name}.c", "-o", folder / name, *flags)
        run(folder / name)
        assert not [needed for needed in at.needed(folder / name) if "taskq" in needed]


def cpp_programs_close_what_they_opened_and_have_lambdas_as_handlers(at, folder):
    for compiler in ("g++", "clang++"):
        if shutil.which(compiler) is None:
            continue
        run(compiler, *CXX_WARNINGS, ROOT / "examples" / "embed_cpp.cpp", "-o", folder / compiler,
            *at.flags("--cflags", "--libs", "taskq"))
        said = run(folder / compiler, folder / f"{compiler}.db", env=at.environment)
        assert said == "count: succeeded\nthrow: failed\nthe lambda ran 1 time\n", said


def what_was_built_in_is_told_by_variables(at, _folder):
    postgres = "true" if (at.libraries / "libtaskq-postgres.so").exists() else "false"
    for library in ("taskq", "taskq-scheduler"):
        assert at.flags("--variable=have_tls", library)[0] in ("true", "false"), library
        assert at.flags("--variable=have_postgres", library) == [postgres], library


def exported_symbols_are_those_of_the_list(at, _folder):
    for listed in sorted(LISTS.glob("*.txt")):
        library = at.libraries / f"lib{listed.stem}.so"
        if not library.exists():
            continue
        exported = sorted(set(re.findall(r"\b(taskq_\w+)@@", run("nm", "-D", "--defined-only", library))))
        wanted = listed.read_text(encoding="utf-8").split()
        gone, new = sorted(set(wanted) - set(exported)), sorted(set(exported) - set(wanted))
        assert exported == wanted, f"{listed.stem}: {gone} are gone, {new} are not in tests/install/symbols/{listed.name}"


def build_without(folder, source, options, *without):
    """Built where pkg-config does not know these packages; the names of all that is installed."""
    environment = hidden(folder, *without)
    for package in without:
        assert subprocess.run(["pkg-config", "--exists", package], env=environment).returncode != 0, package
    run("meson", "setup", folder / "build", source, "--buildtype=plain", *options, env=environment)
    run("ninja", "-C", folder / "build", env=environment)
    run("meson", "install", "-C", folder / "build", "--no-rebuild", "--destdir", folder / "stage", env=environment)
    return {path.name for path in (folder / "stage").rglob("*") if path.is_file() or path.is_symlink()}


def the_worker_half_is_built_where_there_is_no_sqlite(_at, folder):
    names = build_without(folder, ROOT, [*ALONE, "-Dscheduler=false"], "sqlite3", "libpq", "libcivetweb")
    assert {"libtaskq-worker.so.0", "taskq-worker", "worker.h", "client.h", "taskq-worker.pc"} <= names
    assert not {"libtaskq-scheduler.so.0", "libtaskq.so.0", "taskq-server", "scheduler.h", "sqlite.h", "taskq.h"} & names


def the_scheduler_half_is_a_subproject_where_there_is_no_curl(_at, folder):
    (folder / "subprojects").mkdir()
    (folder / "subprojects" / "taskq").symlink_to(ROOT)
    shutil.copy(CONSUMER / "host.c", folder)
    (folder / "meson.build").write_text(
        "project('host', 'c', default_options: ['c_std=c99'])\n"
        "taskq = subproject('taskq', default_options: ['worker=false', 'postgres=disabled', 'man=disabled', 'docs=disabled'])\n"
        "executable('host', 'host.c', dependencies: dependency('taskq-scheduler'))\n", encoding="utf-8")
    names = build_without(folder, folder, [], "libcurl", "libpq")
    assert run(folder / "build" / "host") == SAID
    assert {"libtaskq-scheduler.so.0", "taskq-server", "scheduler.h", "sqlite.h", "taskq-scheduler.pc"} <= names
    assert not {"libtaskq-worker.so.0", "libtaskq.so.0", "taskq-worker", "worker.h", "client.h", "taskq.h"} & names


TESTS = [
    (a_meson_project_needs_nothing_but_pkg_config, ()),
    (a_cmake_project_needs_nothing_but_pkg_config, ("cmake",)),
    (a_makefile_needs_nothing_but_pkg_config, ("make",)),
    (a_static_program_needs_nothing_but_pkg_config, ()),
    (cpp_programs_close_what_they_opened_and_have_lambdas_as_handlers, ("g++",)),
    (what_was_built_in_is_told_by_variables, ()),
    (exported_symbols_are_those_of_the_list, ()),
    (the_worker_half_is_built_where_there_is_no_sqlite, ()),
    (the_scheduler_half_is_a_subproject_where_there_is_no_curl, ()),
]


def main():
    failed = 0
    print(f"TAP version 13\n1..{len(TESTS)}")
    with tempfile.TemporaryDirectory(prefix="taskq-consumers-") as all_of_it:
        at = Installed(pathlib.Path(all_of_it))
        for number, (test, programs) in enumerate(TESTS, 1):
            skipped = needs(*programs)
            if skipped:
                print(f"ok {number} - {test.__name__} # {skipped}", flush=True)
                continue
            with tempfile.TemporaryDirectory(dir=all_of_it) as folder:
                try:
                    test(at, pathlib.Path(folder))
                    print(f"ok {number} - {test.__name__}", flush=True)
                except Exception as error:  # whatever went wrong is this test's failure, the next may be fine
                    failed += 1
                    print(f"not ok {number} - {test.__name__}")
                    text = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
                    print("".join(f"# {line}\n" for line in text.splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
