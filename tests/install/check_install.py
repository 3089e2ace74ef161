#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Installs the build into a folder of its own and looks at it as a stranger does: programs built with nothing
but pkg-config, what the libraries need, what they export, where the executables find their libraries.

    check_install.py BUILD_DIRECTORY        prints TAP
"""
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(sys.argv[1]).resolve()
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LIBRARIES = ("taskq-scheduler", "taskq-worker", "taskq")
# No part of the scheduler half may come along with a worker.
NOT_FOR_WORKERS = ("sqlite", "civetweb", "libpq", "taskq-scheduler")


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed:
    def __init__(self, folder):
        self.prefix = folder / "prefix"
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", folder / "stage")
        configured = pathlib.Path(next(
            option["value"] for option in self.options() if option["name"] == "prefix"))
        (folder / "stage" / configured.relative_to("/")).rename(self.prefix)
        self.libraries = next(self.prefix.rglob("libtaskq-worker.so")).parent
        self.environment = {
            **os.environ,
            "PKG_CONFIG_PATH": str(self.libraries / "pkgconfig"),
            "LD_LIBRARY_PATH": str(self.libraries),
        }
        # A folder that is moved: pkg-config is told where it stands now.
        self.pkg_config = ["pkg-config", f"--define-variable=prefix={self.prefix}"]

    @staticmethod
    def options():
        return json.loads(run("meson", "introspect", "--buildoptions", BUILD))

    def all_libraries(self):
        """With the one that is there where its database's library is."""
        there = (self.libraries / "libtaskq-postgres.so").exists()
        return (*LIBRARIES, "taskq-postgres") if there else LIBRARIES

    def flags(self, *arguments):
        return run(*self.pkg_config, *arguments, env=self.environment).split()

    def build(self, name, package, *arguments):
        program = self.prefix / name
        run("cc", *WARNINGS, HERE / f"{name}.c", "-o", program, *self.flags("--cflags", "--libs", *arguments, package))
        return program

    def needed(self, path):
        return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", "-W", path))

    def loaded(self, path):
        """All that the dynamic linker brings in, the libraries of libraries too."""
        return run("ldd", path, env=self.environment)


def a_worker_is_built_with_pkg_config_alone_and_runs(at):
    assert "taskq-worker" in run(at.build("consumer_worker", "taskq-worker"), env=at.environment)


def a_worker_with_a_handler_of_its_own_works_for_the_installed_server(at):
    program = at.build("consumer_worker", "taskq-worker")
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([at.prefix / "bin" / "taskq-server", "--listen", "127.0.0.1:0", "--db",
                                   os.path.join(folder, "jobs.db")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True)
        try:
            url = server.stdout.readline().split()[-1]
            assert run(program, url, env=at.environment, timeout=60).split()[-2:] == ["succeeded", "cba"]
        finally:
            server.terminate()
            assert server.wait(timeout=60) == 0


def a_scheduler_is_built_with_pkg_config_alone_and_runs(at):
    said = run(at.build("consumer_scheduler", "taskq-scheduler"), env=at.environment)
    assert "taskq-scheduler" in said and "job succeeded" in said and "serves http://127.0.0.1:" in said, said


def the_umbrella_serves_both(at):
    run(at.build("consumer_scheduler", "taskq"), env=at.environment)
    run(at.build("consumer_worker", "taskq"), env=at.environment)


def a_producer_in_its_own_transactions_needs_the_postgresql_store_alone(at):
    if "taskq-postgres" not in at.all_libraries():
        return
    program = at.prefix / "consumer_producer"
    run("cc", *WARNINGS, HERE / "consumer_producer.c", "-o", program, *at.flags("--cflags", "--libs", "taskq-postgres"),
        *run("pkg-config", "--cflags", "--libs", "libpq").split())
    assert [needed for needed in at.needed(program) if "taskq" in needed] == ["libtaskq-postgres.so.0"]
    said = run(program, env=at.environment)
    assert "invalid, there is no connection" in said and "wants taskq or taskq-scheduler" in said, said


def a_worker_needs_nothing_of_the_scheduler_half(at):
    program = at.build("consumer_worker", "taskq-worker")
    for path in (program, at.libraries / "libtaskq-worker.so"):
        for needed in at.needed(path):
            assert not any(word in needed for word in NOT_FOR_WORKERS), f"{path.name} needs {needed}"
    assert "libtaskq-worker.so.0" in at.needed(program)
    for word in NOT_FOR_WORKERS:
        assert word not in at.loaded(program), f"a worker loads {word}"


def an_archive_links_with_the_libraries_its_pc_file_names(at):
    for library, name in (("taskq-worker", "consumer_worker"), ("taskq-scheduler", "consumer_scheduler")):
        theirs = [word.split()[0] for word in run(*at.pkg_config, "--print-requires-private", library,
                                                  env=at.environment).splitlines() if word]
        program = at.prefix / f"{name}_static"
        run("cc", *WARNINGS, HERE / f"{name}.c", "-o", program, *at.flags("--cflags", library),
            at.libraries / f"lib{library}.a", *at.flags("--libs", *theirs), "-pthread")
        run(program)
        assert not [needed for needed in at.needed(program) if "taskq" in needed]


def public_flags_name_no_third_party(at):
    for library in LIBRARIES:
        flags = at.flags("--cflags", "--libs", library)
        assert [flag for flag in flags if flag.startswith("-l")] == [f"-l{library}"], flags


def only_public_names_are_exported(at):
    for library in at.all_libraries():
        names = [line.split()[-1] for line in
                 run("nm", "-D", "--defined-only", at.libraries / f"lib{library}.so").splitlines()]
        names = [name for name in names if not name.startswith("TASKQ_")]
        assert names, f"{library} exports nothing"
        for name in names:
            assert re.fullmatch(r"taskq_[a-z][a-z0-9_]*@@TASKQ_0\.1", name) and not name.startswith("taskq__"), \
                f"{library}: {name}"


def every_function_of_an_installed_header_is_exported(at):
    exported = {}
    for library in at.all_libraries():
        listing = run("nm", "-D", "--defined-only", at.libraries / f"lib{library}.so")
        exported[library] = set(re.findall(r"(taskq_\w+)@@", listing))
    for header in sorted((at.prefix / "include").rglob("*.h")):
        for name in re.findall(r"^TASKQ_API[^;{]*?\b(taskq_\w+)\s*\(", header.read_text(), re.MULTILINE):
            if header.name == "postgres.h":
                assert name in exported["taskq-postgres"], f"{header.name}: {name} is not in taskq-postgres"
                continue
            assert name in exported["taskq"], f"{header.name}: {name} is in no library"
            assert name in exported["taskq-worker"] | exported["taskq-scheduler"], f"{header.name}: {name}"


def archives_hold_machine_code(at):
    for library in at.all_libraries():
        sections = run("readelf", "-S", "-W", at.libraries / f"lib{library}.a")
        assert ".gnu.lto" not in sections, f"{library} holds LTO bytecode"
        assert ".text" in sections, f"{library} is empty"


def executables_run_where_they_were_installed(at):
    # Without LD_LIBRARY_PATH: nothing of ours is searched for.
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    programs = sorted((at.prefix / "bin").iterdir()) if (at.prefix / "bin").exists() else []
    assert [program.name for program in programs] == ["taskq", "taskq-server", "taskq-worker"], programs
    for program in programs:
        assert run(program, "--version", env=environment).splitlines()[0].split()[-1].count(".") == 2, program


def built_files(at):
    return [*sorted((at.prefix / "bin").iterdir()), *(at.libraries / f"lib{library}.so" for library in at.all_libraries())]


def executables_and_libraries_are_hardened(at):
    for path in built_files(at):
        header, dynamic = run("readelf", "-h", "-l", "-W", path), run("readelf", "-d", "-W", path)
        assert re.search(r"Type:\s+DYN", header), f"{path.name} is not position independent"
        assert "GNU_RELRO" in header and re.search(r"BIND_NOW|NOW", dynamic), f"{path.name}: no full RELRO"
        assert not re.search(r"GNU_STACK.*RWE", header), f"{path.name}: executable stack"
        assert not re.search(r"LOAD.* RWE ", header), f"{path.name}: memory that is writable and executable"
        assert not re.search(r"RPATH|RUNPATH", dynamic), f"{path.name} looks for libraries in a place of its own"
        assert "TEXTREL" not in dynamic, f"{path.name} writes into its code"
    for program in sorted((at.prefix / "bin").iterdir()):
        assert re.search(r"FLAGS_1.*PIE", run("readelf", "-d", "-W", program)), f"{program.name} is no PIE"


def the_stack_is_guarded_and_calls_of_the_c_library_are_checked(at):
    level = next(option["value"] for option in at.options() if option["name"] == "optimization")
    for path in built_files(at):
        names = set(re.findall(r"\b(__\w+_chk(?:_fail)?)@", run("nm", "-D", path)))
        assert "__stack_chk_fail" in names, f"{path.name}: no stack protector"
        if level not in ("0", "g"):
            assert {"__snprintf_chk", "__memcpy_chk"} & names, f"{path.name}: no _FORTIFY_SOURCE: {names}"


def every_exported_function_begins_where_an_indirect_call_may_land(at):
    if platform.machine() != "x86_64":
        return "SKIP control-flow protection is looked for on x86-64"
    for library in LIBRARIES:
        code = run("objdump", "-d", "--no-show-raw-insn", at.libraries / f"lib{library}.so")
        firsts = re.findall(r"^[0-9a-f]+ <(taskq_[a-z]\w*)(?:@@\w[\w.]*)?>:\n\s*[0-9a-f]+:\s+(\w+)", code, re.MULTILINE)
        assert len(firsts) >= 20, f"{library}: {len(firsts)} functions found"
        for name, first in firsts:
            assert first == "endbr64", f"{library}: {name} begins with {first}"
    return None


TESTS = [
    a_worker_is_built_with_pkg_config_alone_and_runs,
    a_worker_with_a_handler_of_its_own_works_for_the_installed_server,
    a_scheduler_is_built_with_pkg_config_alone_and_runs,
    the_umbrella_serves_both,
    a_producer_in_its_own_transactions_needs_the_postgresql_store_alone,
    a_worker_needs_nothing_of_the_scheduler_half,
    an_archive_links_with_the_libraries_its_pc_file_names,
    public_flags_name_no_third_party,
    only_public_names_are_exported,
    every_function_of_an_installed_header_is_exported,
    archives_hold_machine_code,
    executables_run_where_they_were_installed,
    executables_and_libraries_are_hardened,
    the_stack_is_guarded_and_calls_of_the_c_library_are_checked,
    every_exported_function_begins_where_an_indirect_call_may_land,
]


def main():
    failed = 0
    print(f"TAP version 13\n1..{len(TESTS)}")
    with tempfile.TemporaryDirectory(prefix="taskq-install-") as folder:
        at = Installed(pathlib.Path(folder))
        for number, test in enumerate(TESTS, 1):
            try:
                skipped = test(at)
                print(f"ok {number} - {test.__name__}" + (f" # {skipped}" if skipped else ""), flush=True)
            except Exception as error:  # whatever went wrong is this test's failure, the next may be fine
                failed += 1
                print(f"not ok {number} - {test.__name__}")
                text = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
                print("".join(f"# {line}\n" for line in text.splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
