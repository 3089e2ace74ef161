# SPDX-License-Identifier: MIT
"""Where the tools of this suite are, that others wrote, and what happens to a test that lacks one: it is skipped where somebody runs
it by hand, and fails where TASKQ_TOOLS says that they were installed."""
import json
import os
import pathlib
import shutil
import unittest

ROOT = pathlib.Path(os.environ.get("TASKQ_SOURCE_ROOT", pathlib.Path(__file__).resolve().parents[2]))
NODE = ROOT / "build-tools" / "node" / "node_modules"
JAR = NODE / "@openapitools" / "openapi-generator-cli" / "bin" / "openapi-generator.jar"
SOURCE = ROOT / "lib" / "server" / "openapi.json"
QUIET = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1", "CI": "true"}


def document():
    return json.loads(SOURCE.read_text(encoding="utf-8"))


def without(*cases, reason):
    """These cases cannot run here."""
    def stop(self):
        if os.environ.get("TASKQ_TOOLS"):
            self.fail(reason)
        self.skipTest(reason)
    for case in cases:
        case.setUp = stop
        case.tearDown = lambda self: None


def npm(name):
    return str(NODE / ".bin" / name)


def has_npm(*names):
    return shutil.which("node") is not None and all((NODE / ".bin" / name).exists() for name in names)


class ToolCase(unittest.TestCase):
    """A test that needs npm's packages."""
    needs = ()

    def setUp(self):
        if not has_npm(*self.needs):
            reason = f"{', '.join(self.needs)}: not installed: ./dev tools"
            if os.environ.get("TASKQ_TOOLS"):
                self.fail(reason)
            self.skipTest(reason)
