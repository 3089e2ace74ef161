# SPDX-License-Identifier: MIT
"""Clients made from the document by openapi-generator: each builds without a complaint, and with each a producer and a worker live
through a job at the real server."""
import concurrent.futures
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import tools
from harness import ServerCase
from program import environment

EXAMPLES = tools.ROOT / "examples" / "clients"
BUILD_SECONDS = 300
RUN_SECONDS = 120
PYTHON_NEEDS = ("urllib3", "dateutil", "six", "certifi")


def say(*command, folder=None, env=None):
    done = subprocess.run([str(word) for word in command], cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=BUILD_SECONDS)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def generate(folder, language):
    say(sys.executable, EXAMPLES / "generate.py", language, tools.JAR, tools.SOURCE, folder)
    return pathlib.Path(folder) / language


def build_c(folder):
    client = generate(folder, "c")
    compiler, build = os.environ.get("CC", "cc"), pathlib.Path(folder) / "c-build"
    build.mkdir()
    sources = [path for part in ("api", "model", "src", "external") for path in sorted((client / part).glob("*.c"))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: say(compiler, "-c", "-O1", "-Wno-cpp", f"-I{client}", path, "-o", build / f"{path.parent.name}-{path.stem}.o"), sources))
    for name in ("producer", "worker"):
        say(compiler, "-Wall", "-Wextra", "-Werror", "-Wno-strict-prototypes", f"-isystem{client}", EXAMPLES / "c" / f"{name}.c",
            *sorted(build.glob("*.o")), "-lcurl", "-o", build / f"example-{name}")
    return lambda name, *words: ([build / f"example-{name}", *words], {})


def build_python(folder):
    client = generate(folder, "python")
    say(python(), "-m", "compileall", "-q", client)
    return lambda name, *words: ([python(), EXAMPLES / "python" / f"{name}.py", *words], {"PYTHONPATH": str(client)})


def python():
    """The one that has the packages: where they come from Debian, Debian's."""
    if all(importlib.util.find_spec(name) for name in PYTHON_NEEDS):
        return sys.executable
    return "/usr/bin/python3"


def build_typescript(folder):
    client = generate(folder, "typescript")
    build = pathlib.Path(folder) / "typescript-build"
    package = build / "node_modules" / "taskq-client"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "taskq-client", "version": "0.0.0", "main": "index.js", "types": "index.d.ts"}', encoding="utf-8")
    for name in ("producer", "worker"):
        shutil.copy(EXAMPLES / "typescript" / f"{name}.ts", build)
    for place, more, files in ((client, {"declaration": True, "outDir": str(package)}, ["index.ts"]), (build, {}, ["producer.ts", "worker.ts"])):
        options = {"target": "ES2020", "module": "commonjs", "lib": ["ES2020", "DOM"], "types": [], "strict": True, **more}
        (place / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": files}), encoding="utf-8")
        say("node", tools.npm("tsc"), "-p", place)
    return lambda name, *words: (["node", build / f"{name}.js", *words], {})


class _Clients(ServerCase):
    """Built once for all: the generator takes its seconds."""

    build = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix="taskq-clients-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.command = staticmethod(cls.build(cls.folder)) if available() else None

    def run_example(self, name, *words):
        command, changes = self.command(name, self.server.url, self.queue, *words)
        return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, env=environment(changes))

    def live_through_a_job(self, name):
        worker = self.run_example("worker", "1")
        producer = self.run_example("producer")
        try:
            for program in (producer, worker):
                said = program.communicate(timeout=RUN_SECONDS)[0]
                self.assertEqual(program.returncode, 0, said)
        finally:
            for program in (producer, worker):
                program.kill()
                program.communicate()
        job, = self.api.jobs(queue=self.queue)
        job = self.api.job(job["id"])
        self.assertEqual((job["state"], job["type"], job["payload"]), ("succeeded", "greet", {"name": name}))
        self.assertEqual(job["result"], {"greeting": "hello", "to": {"name": name}})
        self.assertEqual((job["log"], job["progress"], job["max_attempts"]), ("a line of log\n", {"percent": 50, "message": "half way"}, 3))


class InC(_Clients):
    build = staticmethod(build_c)

    def test_a_producer_and_a_worker_live_through_a_job(self):
        self.live_through_a_job("C")


class InPython(_Clients):
    build = staticmethod(build_python)

    def test_a_producer_and_a_worker_live_through_a_job(self):
        self.live_through_a_job("Python")


class InTypeScript(_Clients):
    build = staticmethod(build_typescript)

    def test_a_producer_and_a_worker_live_through_a_job(self):
        self.live_through_a_job("TypeScript")


def available():
    return tools.JAR.exists() and shutil.which("java") is not None and tools.has_npm("tsc")


if not available():
    tools.without(InC, InPython, InTypeScript, reason="Java, openapi-generator and TypeScript are needed: ./dev tools")

if __name__ == "__main__":
    unittest.main()
