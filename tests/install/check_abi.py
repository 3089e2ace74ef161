#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what the built libraries offer with the last released ABI, kept in abi/*.xml, by abidiff (abigail-tools).
New functions, and fields appended to structs that say their size, are no break; everything else is.

    check_abi.py BUILD_DIRECTORY            prints TAP
    check_abi.py --renew BUILD_DIRECTORY    writes abi/*.xml anew: with a release, after the comparison; a build with debug
                                            information (--buildtype=debugoptimized)
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
RELEASED = HERE / "abi"
PRIVATE = HERE / "abi" / "private.suppr"
# Structs that say their size, or that the library makes and programs read through pointers: they may grow at their end.
GROWING = re.compile(r"taskq_(.*_options|.*_stats|new_job|filter|report|heartbeat|token|batch|store_ops|job|queue|attempt|"
                     r"log_event)")
LIBRARIES = ("taskq-scheduler", "taskq-worker", "taskq-postgres", "taskq")


def built(build, library):
    return build / "lib" / f"lib{library}.so"


def describe(library_file, out):
    """The ABI of a library as XML, without paths and line numbers of the machine."""
    subprocess.run(["abidw", "--suppressions", PRIVATE, "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs",
                    "--no-elf-needed", "--type-id-style", "hash", "--out-file", out, library_file], check=True)


def only_grew(block):
    """Is this a struct that says its size, with nothing but fields after its old end?"""
    name = re.match(r"'struct (taskq_\w+)", block)
    size = re.search(r"type size changed from (\d+) to \d+ \(in bits\)", block)
    if not name or not size or not GROWING.fullmatch(name.group(1)):
        return False
    rest = re.sub(r"^.*changed:\n|^.*type size changed.*\n|^.*data member insertions?:\n", "", block, flags=re.MULTILINE)
    fields = [line for line in rest.splitlines() if line.strip()]
    offsets = [re.search(r"^\s+'[^']+', at offset (\d+) \(in bits\)", line) for line in fields]
    return all(offset and int(offset.group(1)) >= int(size.group(1)) for offset in offsets)


def breaks(released, library_file):
    """What a program that was built against the released ABI would trip over; "" for nothing."""
    done = subprocess.run(["abidiff", "--suppressions", PRIVATE, "--no-added-syms", "--leaf-changes-only", "--no-show-locs",
                           released, library_file], capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    summary, *blocks = re.split(r"^(?='struct )", done.stdout, flags=re.MULTILINE)
    gone = re.search(r"functions summary: 0 Removed, 0 Changed|changes summary: 0 Removed, 0 Changed", summary)
    if done.returncode == 4 and gone and blocks and all(only_grew(block) for block in blocks):
        return ""
    return done.stdout + done.stderr or f"abidiff ended with {done.returncode}"


def changed(released, folder, pattern, replacement):
    """The released ABI, had it been another one."""
    text = released.read_text(encoding="utf-8")
    other, count = re.subn(pattern, replacement, text, count=1, flags=re.DOTALL)
    assert count == 1, f"{released.name} has nothing like {pattern}"
    path = folder / "changed.xml"
    path.write_text(other, encoding="utf-8")
    return path


def nothing_was_broken(build, _folder):
    for library in LIBRARIES:
        if built(build, library).exists():
            found = breaks(RELEASED / f"{library}.xml", built(build, library))
            assert not found, (f"{library} breaks the released ABI. At a release with a new soname, or while there has been none: "
                               f"tests/install/check_abi.py --renew BUILD.\n{found}")


def a_function_that_is_gone_is_found(build, folder):
    released = changed(RELEASED / "taskq-worker.xml", folder, r"(<elf-symbol name='taskq_client_)cancel('[^>]*>)",
                       r"\g<0>\n    \1vanish\2")
    assert "taskq_client_vanish" in breaks(released, built(build, "taskq-worker"))


def a_field_of_another_type_is_found(build, folder):
    released = changed(RELEASED / "taskq-worker.xml", folder,
                       r"(<var-decl name='timeout_ms' type-id=')([^']*)('.{0,400}?<var-decl name='reply_bytes_max' type-id=')([^']*)'",
                       r"\1\4\3\2'")
    assert "taskq_client_options" in breaks(released, built(build, "taskq-worker"))


def fields_in_another_order_are_found(build, folder):
    released = changed(RELEASED / "taskq-worker.xml", folder,
                       r"(<var-decl name=')ca_file('.{0,200}?<var-decl name=')cert_file'", r"\1cert_file\2ca_file'")
    assert breaks(released, built(build, "taskq-worker"))


def a_field_that_was_appended_is_no_break(build, folder):
    released = changed(RELEASED / "taskq-worker.xml", folder,
                       r"(<class-decl name='taskq_client_options' size-in-bits=')(\d+)('.*?)"
                       r"      <data-member [^>]*>\s*<var-decl name='allocator'[^>]*>\s*</data-member>\s*(    </class-decl>)",
                       lambda m: f"{m.group(1)}{int(m.group(2)) - 128}{m.group(3)}{m.group(4)}")
    found = breaks(released, built(build, "taskq-worker"))
    assert not found, found


TESTS = [
    nothing_was_broken,
    a_function_that_is_gone_is_found,
    a_field_of_another_type_is_found,
    fields_in_another_order_are_found,
    a_field_that_was_appended_is_no_break,
]


def main():
    arguments = sys.argv[1:]
    build = pathlib.Path(arguments[-1]).resolve()
    if arguments[0] == "--renew":
        for library in LIBRARIES:
            describe(built(build, library), RELEASED / f"{library}.xml")
        return 0
    print(f"TAP version 13\n1..{len(TESTS)}")
    failed = 0
    for number, test in enumerate(TESTS, 1):
        if shutil.which("abidiff") is None:
            print(f"ok {number} - {test.__name__} # SKIP abidiff is not installed (abigail-tools)")
            continue
        with tempfile.TemporaryDirectory(prefix="taskq-abi-") as folder:
            try:
                test(build, pathlib.Path(folder))
                print(f"ok {number} - {test.__name__}", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"not ok {number} - {test.__name__}")
                print("".join(f"# {line}\n" for line in str(error).splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
