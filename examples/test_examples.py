# SPDX-License-Identifier: MIT
"""The examples do what they say, and so does the demo."""
import concurrent.futures
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from postgres import Postgres

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("TASKQ_BUILD_ROOT", HERE.parent / "build"))
# A TASKQ_... variable of whoever runs the tests would be an option of our programs.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("TASKQ_")}


def run(*command):
    return subprocess.run([str(word) for word in command], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)


class Examples(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="taskq-examples-")
        self.addCleanup(self.folder.cleanup)

    def server(self):
        """A real server on a port that it picks; its address."""
        process = subprocess.Popen(
            [BUILD / "apps/taskq-server/taskq-server", "--listen", "127.0.0.1:0", "--db", self.folder.name + "/jobs.db",
             "--log-level", "warn"],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, 60)
        self.addCleanup(process.terminate)
        return re.match(r"listening on (http://\S+)", process.stdout.readline()).group(1)

    def test_a_scheduler_works_without_a_server(self):
        ended = run(BUILD / "examples/example-embed_scheduler", self.folder.name + "/jobs.db")
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertEqual('job 1: {"name": "world"}\njob 1: succeeded\n', ended.stdout)

    def test_a_second_run_goes_on_in_the_same_file(self):
        run(BUILD / "examples/example-embed_scheduler", self.folder.name + "/jobs.db")
        ended = run(BUILD / "examples/example-embed_scheduler", self.folder.name + "/jobs.db")
        self.assertIn("job 2: succeeded", ended.stdout)

    def test_a_worker_takes_a_job_from_a_server(self):
        url = self.server()
        ended = run(BUILD / "examples/example-embed_worker", url)
        self.assertEqual(0, ended.returncode, ended.stderr)
        with urllib.request.urlopen(url + "/jobs/1", timeout=30) as answer:
            job = json.load(answer)
        self.assertEqual(("succeeded", {"greeted": True}, 1), (job["state"], job["result"], job["attempt"]))

    def job(self, url, job_id=1):
        with urllib.request.urlopen(f"{url}/jobs/{job_id}", timeout=30) as answer:
            return json.load(answer)

    def check_tea(self, program):
        url = self.server()
        ended = run(program, url)
        self.assertEqual((0, ""), (ended.returncode, ended.stderr))
        job = self.job(url)
        self.assertEqual(("succeeded", {"celsius": 100}, 1), (job["state"], job["result"], job["attempt"]))

    def test_a_worker_works_in_an_epoll_loop(self):
        self.check_tea(BUILD / "examples/example-own_loop_epoll")

    def test_a_worker_works_in_a_libuv_loop(self):
        program = BUILD / "examples/example-own_loop_libuv"
        if not program.exists():
            self.skipTest("libuv1-dev is not installed")
        self.check_tea(program)

    def test_a_scheduler_works_in_a_loop_of_its_host(self):
        ended = run(BUILD / "examples/example-own_loop_scheduler", self.folder.name + "/jobs.db")
        self.assertEqual((0, "job 1 is done\n", ""), (ended.returncode, ended.stdout, ended.stderr))

    def wait_for(self, url, job_id, holds):
        deadline = time.monotonic() + 60
        while not holds(job := self.job(url, job_id)):
            self.assertLess(time.monotonic(), deadline, job)
            time.sleep(0.02)
        return job

    def post(self, url, path, value=None):
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(url + path, body, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def test_a_handler_tells_its_progress_and_stops_when_the_job_is_canceled(self):
        url = self.server()
        worker = subprocess.Popen([BUILD / "examples/example-progress_and_cancel", url], env=ENVIRONMENT, stdin=subprocess.DEVNULL)
        self.addCleanup(worker.wait, 60)
        self.addCleanup(worker.terminate)
        short = self.post(url, "/jobs", {"type": "count", "payload": {"to": 3}})
        self.post(url, "/jobs", {"type": "count", "payload": {"to": 0}})
        long = self.post(url, "/jobs", {"type": "count", "payload": {"to": 100000}, "lease_ms": 3000})
        self.wait_for(url, long["id"], lambda job: "at 1 of 100000" in job.get("log", "") and "progress" in job)
        self.post(url, f"/jobs/{long['id']}/cancel")
        self.assertIn("canceled at", self.wait_for(url, long["id"], lambda job: job["state"] == "canceled")["log"])
        done = self.wait_for(url, short["id"], lambda job: job["state"] == "succeeded")
        self.assertEqual(({"counted": True}, 100), (done["result"], done["progress"]["percent"]))
        self.assertEqual("bad-payload", self.wait_for(url, 2, lambda job: job["state"] == "failed")["error"]["code"])

    def test_a_producer_waits_for_the_result(self):
        url = self.server()
        worker = subprocess.Popen([BUILD / "apps/taskq-worker/taskq-worker", "--server", url, "--log-level", "error"],
                                  env=ENVIRONMENT, stdin=subprocess.DEVNULL)
        self.addCleanup(worker.wait, 60)
        self.addCleanup(worker.terminate)
        program = BUILD / "examples/example-submit"
        good = run(program, "sleep", '{"duration_ms": 10}', "http://127.0.0.1:9", url)  # nobody is at the first
        self.assertEqual((0, 'job 1 succeeded\n{"slept_ms":10}\n'), (good.returncode, good.stdout))
        bad = run(program, "sleep", '{"duration_ms": "long"}', url)
        self.assertEqual(3, bad.returncode)
        self.assertIn("job 2 failed\n", bad.stdout)

    def test_both_halves_work_in_one_program(self):
        ended = run(BUILD / "examples/example-embed_both", self.folder.name + "/jobs.db")
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertIn("job 1 is done", ended.stdout)

    def test_an_order_and_its_mail_hold_together_and_the_mail_is_sent_once(self):
        ended = run(BUILD / "examples/example-transactional_enqueue", self.folder.name + "/jobs.db")
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertEqual("order 1: 1 mail\n", ended.stdout)

    def test_an_order_and_its_mail_hold_together_in_postgresql(self):
        program = BUILD / "examples/example-transactional_enqueue_postgres"
        if not program.exists():
            self.skipTest("the store is not built")
        with Postgres() as postgres:
            ended = run(program, postgres.url())
        self.assertEqual((0, "order 1: 1 mail\n", ""), (ended.returncode, ended.stdout, ended.stderr))

    def test_a_host_with_a_web_server_of_its_own_serves_the_api_beside_it(self):
        program = BUILD / "examples/example-embed_beside_civetweb"
        if not program.exists():
            self.skipTest("libcivetweb-dev is not installed")
        process = subprocess.Popen([program, self.folder.name + "/jobs.db"], env=ENVIRONMENT, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, 60)
        self.addCleanup(process.stdin.close)
        pages, api = (process.stdout.readline().split()[1] for _ in range(2))
        with urllib.request.urlopen(pages + "/visit", timeout=30) as answer:
            self.assertEqual("job 1\n", answer.read().decode())
        with urllib.request.urlopen(api + "/jobs/1", timeout=30) as answer:
            self.assertEqual("visit", json.load(answer)["type"])
        loaded = pathlib.Path(f"/proc/{process.pid}/maps").read_text()
        self.assertIn("libcivetweb.so", loaded)


class Readme(unittest.TestCase):
    def test_the_programs_in_the_readme_compile(self):
        text = (HERE.parent / "README.md").read_text(encoding="utf-8")
        programs = [code for code in re.findall(r"^```c\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) if "main(" in code]
        self.assertGreaterEqual(len(programs), 2)
        for code in programs:
            ended = subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I",
                                    str(HERE.parent / "include"), "-x", "c", "-"],
                                   input=code, capture_output=True, text=True, timeout=60)
            self.assertEqual(0, ended.returncode, ended.stderr)


class Demo(unittest.TestCase):
    def test_everything_in_the_demo_comes_out_as_told(self):
        ended = run(HERE / "demo/run", "--build", BUILD)
        self.assertEqual(0, ended.returncode, ended.stdout + ended.stderr)


class Cluster(unittest.TestCase):
    def setUp(self):
        """It needs programs of others: without them it is skipped, or fails where all must run."""
        missing = [name for name, found in (("haproxy", shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")),
                                            ("postgresql", glob.glob("/usr/lib/postgresql/*/bin/initdb"))) if not found]
        if missing:
            self.assertNotIn("TASKQ_TEST_COMPLETE", os.environ, f"no {' and no '.join(missing)} here")
            self.skipTest(f"no {' and no '.join(missing)} here")
        if "libpq" not in run(BUILD / "apps/taskq-server/taskq-server", "--version").stdout:
            self.skipTest("this build has no PostgreSQL store")

    def test_no_job_is_lost_when_a_server_and_the_database_are_killed_under_load(self):
        ended = run(HERE / "cluster/run", "--build", BUILD, "--break")
        self.assertEqual(0, ended.returncode, ended.stdout + ended.stderr)
        self.assertIn("300 jobs acknowledged, 300 succeeded", ended.stdout)

    def start(self):
        """A cluster that is ready: its process, its folder, what it has said, and HAProxy's address."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="taskq-examples-")) / "cluster"
        self.addCleanup(shutil.rmtree, folder.parent, ignore_errors=True)
        folder.parent.chmod(0o711)
        process = subprocess.Popen([sys.executable, HERE / "cluster/run", "--build", BUILD, "--folder", folder], env=ENVIRONMENT,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, 120)
        self.addCleanup(process.terminate)
        said = self.read_until(process, "Ctrl-C ends everything")
        return process, folder, said, re.search(r"HAProxy \(process \d+\) is at (http://[^\s,]+)", said).group(1)

    def read_until(self, process, text):
        said = ""
        for line in process.stdout:
            said += line
            if text in line:
                return said
        self.fail(f"it ended without {text!r}: {said}")

    def test_it_is_up_until_it_is_told_to_end_and_leaves_nothing(self):
        process, folder, _, url = self.start()
        made = self.post(url, "/jobs", {"type": "sleep", "payload": {"duration_ms": 1}})
        deadline = time.monotonic() + 60
        while (job := json.load(urllib.request.urlopen(f"{url}/jobs/{made['id']}", timeout=30)))["state"] != "succeeded":
            self.assertLess(time.monotonic(), deadline, job)
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.wait(120)
        left = [path for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in self.command_line(path)]
        self.assertEqual([], left)

    def test_it_tells_that_the_standby_is_gone_and_how_to_go_on_without(self):
        process, _, said, url = self.start()
        os.kill(int(re.search(r"standby \(process (\d+)\)", said).group(1)), signal.SIGKILL)
        self.read_until(process, "the standby has ended")
        command = process.stdout.readline()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            made = pool.submit(self.post_until_taken, url, {"type": "sleep", "payload": {"duration_ms": 1}})
            waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            asked = f"{command.partition(' -c ')[0]} -At -c \"{waiting}\""
            deadline = time.monotonic() + 60
            while (told := self.shell(asked)) != "t\n":
                self.assertLess(time.monotonic(), deadline, told)
            self.shell(command)
            self.assertIn("id", made.result(60))

    def shell(self, command):
        ended = run("bash", "-c", command)
        self.assertEqual(0, ended.returncode, ended.stderr)
        return ended.stdout

    def post_until_taken(self, url, job):
        while True:
            try:
                return self.post(url, "/jobs", {**job, "unique_key": "one"})
            except urllib.error.HTTPError as failure:
                with failure:
                    if failure.code != 503:
                        raise
            time.sleep(0.05)

    def test_a_wrong_call_is_refused_before_anything_is_started(self):
        with tempfile.TemporaryDirectory(prefix="taskq-examples-") as text, socket.create_server(("127.0.0.1", 0)) as other:
            new, taken = pathlib.Path(text) / "new", f"127.0.0.1:{other.getsockname()[1]}"
            for words, told in ((("--folder", text), f"cluster: --folder {text}: File exists\n"),
                                (("--folder", new / "in"), f"cluster: --folder {new / 'in'}: No such file or directory\n"),
                                (("--folder", new, "--build", text), f"cluster: {text}/apps/taskq-server/taskq-server is not built"),
                                (("--folder", new, "--listen", taken), f"argument --listen: {taken}: Address already in use"),
                                (("--folder", new, "--listen", "foo"), "argument --listen: foo is not HOST:PORT\n")):
                ended = run(HERE / "cluster/run", "--build", BUILD, *words)
                self.assertIn(ended.returncode, (1, 2))
                self.assertIn(told, ended.stderr)
                self.assertEqual(("", False), (ended.stdout, new.exists()))

    @staticmethod
    def command_line(path):
        try:
            return path.read_bytes()
        except OSError:
            return b""

    post = Examples.post


if __name__ == "__main__":
    unittest.main()
