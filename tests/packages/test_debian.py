# SPDX-License-Identifier: MIT
"""The Debian packages, and containers of them: built, looked at by lintian, installed into a fresh Debian of their own, run there by systemd as their units say, and
removed again without a trace."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import machine
from harness import connect
from waiting import wait_until

ROOT = pathlib.Path(os.environ["TASKQ_SOURCE_ROOT"])
LONG = bool(os.environ.get("TASKQ_LONG"))
NEVER_FOR_WORKERS = ("sqlite", "civetweb", "libpq", "taskq-server", "libtaskq-scheduler")
PROGRAMS = ("taskq-server", "taskq-worker", "taskq-client")
# What installing and running anything leaves: logs, apt's and dpkg's own books, caches, systemd's. The files that dpkg keeps of each package
# are in var/lib/dpkg/info, and those count.
BOOKS = re.compile(r"proc/|sys/|dev/|run/|tmp/|var/tmp/|var/log/|var/cache/|var/lib/apt/|var/lib/dpkg/(?!info/)|etc/resolv\.conf$|"
                   r"var/lib/systemd/(timers|random-seed|catalog|coredump|linger|pstore)|root/\.|etc/\.(updated|pwd\.lock)|var/\.updated")


def fields(path):
    return dict(line.split(": ", 1) for line in machine.run("dpkg-deb", "--field", path).splitlines() if re.match(r"[A-Z]\S*: ", line))


class Papers(unittest.TestCase):
    def test_the_changelog_has_the_librarys_version(self):
        header = (ROOT / "include/taskq/version.h").read_text()
        version = ".".join(re.search(rf"VERSION_{part} +(\d+)", header).group(1) for part in ("MAJOR", "MINOR", "PATCH"))
        self.assertEqual(re.match(r"taskq \((\S+)\)", (ROOT / "debian/changelog").read_text()).group(1), version)

    def test_a_unit_that_is_packaged_is_a_unit_that_is_built(self):
        for name in ("taskq-server", "taskq-worker"):
            self.assertIn(f"lib/systemd/system/{name}.service\n", (ROOT / f"debian/{name}.install").read_text())
            self.assertTrue((ROOT / f"apps/units/{name}.service.in").exists(), name)


    def test_a_container_is_nobody_and_can_be_asked_how_it_is(self):
        for name in ("taskq-server", "taskq-worker"):
            text = (ROOT / f"apps/containers/{name}.Dockerfile").read_text()
            words = [line.split(maxsplit=1)[0] for line in text.splitlines() if re.match(r"[A-Z]", line)]
            self.assertEqual(words[:2], ["ARG", "FROM"], name)
            self.assertLessEqual(set(words), {"ARG", "FROM", "COPY", "RUN", "USER", "WORKDIR", "VOLUME", "ENV", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
                                              "ENTRYPOINT"})
            self.assertRegex(text, r"\nFROM \$\{BASE\}\n")
            self.assertRegex(text, r"\nUSER [1-9]\d+:[1-9]\d+\n")
            self.assertRegex(text, rf'\nHEALTHCHECK .* CMD \["{name}", "--health"\]\n')
            self.assertTrue(text.endswith(f'\nENTRYPOINT ["{name}"]\n'))


class Packages:
    """Built once for all of the tests."""

    folder = built = None

    @classmethod
    def build(cls):
        if not LONG:
            raise unittest.SkipTest("takes minutes: --long")
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root")
        for tool in (*machine.NEEDED, "dpkg-buildpackage", "lintian"):
            if not shutil.which(tool):
                raise AssertionError(f"{tool} is missing: ./dev test --long installs it")
        if cls.folder and not cls.built:
            raise AssertionError("the packages were not built")
        if not cls.folder:
            cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="taskq-packages-"))
            # Without any network: all that is wanted is there. It ends where lintian finds an error or a warning.
            machine.run("unshare", "--net", ROOT / "dev", "packages", cls.folder)
            cls.built = {fields(path)["Package"]: path for path in cls.folder.glob("*.deb") if "-dbgsym_" not in path.name}
        return cls.built


def tearDownModule():
    if Packages.folder:
        shutil.rmtree(Packages.folder)


class Built(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.built = Packages.build()

    def test_every_package_is_there(self):
        wanted = set(re.findall(r"^Package: (\S+)", (ROOT / "debian/control").read_text(), re.MULTILINE))
        self.assertEqual(set(self.built), wanted)
        self.assertLessEqual({"libtaskq0", "libtaskq-dev", "taskq-doc", *PROGRAMS}, wanted)

    def test_a_worker_depends_on_nothing_of_the_servers(self):
        for name in ("taskq-worker", "taskq-client", "libtaskq-worker0"):
            for word in NEVER_FOR_WORKERS:
                self.assertNotIn(word, fields(self.built[name])["Depends"], name)
        self.assertIn("sqlite", fields(self.built["taskq-server"])["Depends"])

    def test_no_package_writes_outside_of_its_places(self):
        places = re.compile(r"\./(usr/(bin|include|lib|share)/|lib/systemd/system/|etc/taskq/$)")
        for name, path in self.built.items():
            for line in machine.run("dpkg-deb", "--contents", path).splitlines():
                inside = line.split()[5]
                if not inside.endswith("/") or inside == "./etc/taskq/":
                    self.assertRegex(inside, places, name)


class Containers(unittest.TestCase):
    """The Dockerfiles, built by buildah on a base that debootstrap laid down, and run in a chroot: of a container's walls that is the only one
    here, so the network is this machine's."""

    @classmethod
    def setUpClass(cls):
        Packages.build()
        if not shutil.which("buildah"):
            raise AssertionError("buildah is missing: ./dev test --long installs it")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="taskq-containers-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        machine.lay_down(cls.folder / "base")
        machine.run("tar", "-C", cls.folder / "base", "-cf", cls.folder / "base.tar", ".")
        container = cls.buildah("from", "scratch")
        cls.buildah("add", container, cls.folder / "base.tar", "/")
        cls.buildah("commit", container, "localhost/base")
        cls.buildah("rm", container)
        for name in ("taskq-server", "taskq-worker"):
            cls.buildah("bud", "--format=docker", "--build-arg=BASE=localhost/base", f"--file={ROOT}/apps/containers/{name}.Dockerfile", f"--tag={name}",
                        Packages.folder)

    @classmethod
    def command(cls, *arguments):
        return ["buildah", f"--root={cls.folder}/store", f"--runroot={cls.folder}/run", "--storage-driver=vfs", *map(str, arguments)]

    @classmethod
    def buildah(cls, *arguments):
        environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
        return machine.run(*cls.command(*arguments), env=environment).strip().rpartition("\n")[2]

    def config(self, image):
        return json.loads(machine.run(*self.command("inspect", "--type=image", image)))["Docker"]["config"]

    def start(self, image, env):
        """A container of the image with its own entry point; how to ask it. It tells its process id first."""
        name, config = self.buildah("from", f"localhost/{image}"), self.config(image)
        self.addCleanup(self.buildah, "rm", name)
        settings = [f"--env={key}={value}" for key, value in env.items()]

        def run(*words):
            return self.command("run", "--isolation=chroot", *settings, name, "--", *words)

        process = subprocess.Popen(run("sh", "-c", 'echo $$ $(id -u); exec "$@"', "sh", *config["Entrypoint"]), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        pid, user = map(int, process.stdout.readline().split())
        self.addCleanup(self.end, pid)
        self.assertEqual(f"{user}:{user}", config["User"])
        self.assertNotEqual(user, 0)
        health = config["Healthcheck"]["Test"]
        self.assertEqual(health[0], "CMD")
        ask = lambda: subprocess.run(run(*health[1:]), stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode  # noqa: E731
        return process, pid, ask

    @staticmethod
    def end(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    def test_they_are_small(self):
        sizes = {}
        for image in json.loads(machine.run(*self.command("images", "--json"))):
            number, unit = image["size"].split()
            sizes[image["names"][0].partition("/")[2].partition(":")[0]] = float(number) * {"kB": 0.001, "MB": 1, "GB": 1000}[unit]
        for name in ("taskq-server", "taskq-worker"):
            self.assertLess(sizes[name] - sizes["base"], 40, sizes)

    def test_a_server_and_a_worker_do_a_job_and_are_well(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
        server, server_pid, server_health = self.start("taskq-server", {"TASKQ_LISTEN": address, "TASKQ_TOKENS": ""})
        self.assertEqual(server.stdout.readline(), f"listening on http://{address}\n")
        sign = f"/dev/shm/taskq-{os.getpid()}"
        worker, worker_pid, worker_health = self.start("taskq-worker", {"TASKQ_SERVER": f"http://{address}", "TASKQ_TOKEN_FILE": "", "TASKQ_HEALTH_FILE": sign})
        with contextlib.closing(connect(f"http://{address}")) as client:
            job = client.enqueue(type="sleep", payload={"duration_ms": 10})
            wait_until(lambda: client.job(job["id"])["state"] == "succeeded", 60, "the job")
        self.assertEqual((server_health(), worker_health()), (0, 0))
        for process, pid in ((worker, worker_pid), (server, server_pid)):
            os.kill(pid, signal.SIGTERM)
            self.assertEqual(process.wait(60), 0)
        self.assertNotIn(0, (server_health(), worker_health()))


class InAFreshDebian(unittest.TestCase):
    """One story, told in order: it is installed, it works, it survives, it goes."""

    @classmethod
    def setUpClass(cls):
        cls.built = Packages.build()
        cls.debian = machine.Machine(["gcc", "libc6-dev", "pkg-config", "procps"])
        cls.addClassCleanup(cls.debian.discard)
        place = cls.debian.root / "srv/packages"
        place.mkdir(parents=True)
        for path in cls.built.values():
            shutil.copy(path, place)
        cls.debian.chroot("apt-get", "update", "-q")
        cls.needed = {name: cls.needs(name) for name in PROGRAMS}
        # What they depend on first and by itself, so that the packages alone make the difference in the end.
        cls.debian.chroot("apt-get", "install", "-y", "-q", "--no-install-recommends", *cls.needs(*cls.built))
        cls.debian.start()
        cls.before = cls.paths()
        cls.debian.sh("dpkg --install /srv/packages/*.deb")
        cls.addClassCleanup(cls.tell_the_journal)

    @classmethod
    def needs(cls, *names):
        """What apt would bring for these of our packages, ours left out."""
        files = [f"/srv/packages/{cls.built[name].name}" for name in names]
        planned = cls.debian.chroot("apt-get", "install", "--simulate", "--no-install-recommends", *files)
        return [name for name in re.findall(r"^Inst (\S+)", planned, re.MULTILINE) if name not in cls.built]

    @classmethod
    def paths(cls):
        return {path for path in cls.debian.files() if not BOOKS.match(path)}

    @classmethod
    def tell_the_journal(cls):
        print(cls.debian.call("journalctl", "--no-pager", "--lines=200").stdout)

    def taskq(self, *arguments):
        return self.debian.run("taskq", *arguments, "--token-file", "/etc/taskq/admin.token")

    def wait_active(self, unit, restarts):
        wait_until(lambda: self.debian.show(unit, "NRestarts") == str(restarts) and self.debian.show(unit, "ActiveState") == "active", 60,
                   f"{unit} that was started again")

    def test_1_a_worker_alone_brings_nothing_of_the_server(self):
        self.assertIn("libcurl4", self.needed["taskq-worker"])
        self.assertEqual([name for name in self.needed["taskq-worker"] if any(word in name for word in NEVER_FOR_WORKERS)], [])
        self.assertTrue(any("sqlite" in name for name in self.needed["taskq-server"]))

    def test_2_nothing_runs_before_it_has_tokens(self):
        for unit in ("taskq-server", "taskq-worker"):
            self.assertEqual(self.debian.show(unit, "ActiveState"), "inactive")
            self.assertEqual(self.debian.show(unit, "UnitFileState"), "disabled")

    def test_3_what_the_readme_says_makes_them_run(self):
        for name in ("taskq-server", "taskq-worker"):
            readme = self.debian.sh(f"zcat -f /usr/share/doc/{name}/README.Debian*")
            self.debian.sh("\n".join(re.findall(r"^    (.+)$", readme, re.MULTILINE)))  # systemctl comes back when it is ready
            self.assertEqual(self.debian.show(name, "ActiveState"), "active")
            self.assertEqual(self.debian.show(name, "Type"), "notify")
        self.assertEqual(self.debian.show("taskq-server", "StatusText"), "listening on http://127.0.0.1:7070")

    def test_4_jobs_are_done(self):
        self.taskq("enqueue", "sleep", '{"duration_ms": 10}', "--wait")
        self.taskq("enqueue", "file", '{"op": "write", "path": "hello.txt", "content": "hello"}', "--wait")
        self.assertEqual(self.debian.run("cat", "/var/lib/private/taskq-worker/files/hello.txt"), "hello")
        self.assertEqual(json.loads(self.taskq("stats", "-o", "json"))["states"]["succeeded"], 2)

    def test_5_they_are_nobody_and_may_nothing(self):
        for unit in ("taskq-server", "taskq-worker"):
            status = self.debian.run("cat", f"/proc/{self.debian.show(unit, 'MainPID')}/status")
            uid = int(re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE).group(1))
            self.assertTrue(61184 <= uid <= 65519, f"{unit} runs as {uid}, which is no dynamic user")
            self.assertRegex(status, r"CapEff:\t0+\nCapBnd:\t0+\n")
            self.assertRegex(status, r"NoNewPrivs:\t1\n[\s\S]*Seccomp:\t2\n")
            rating = self.debian.call("systemd-analyze", "security", "--no-pager", unit).stdout
            self.assertLess(float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", rating).group(1)), 2.0)

    def test_6_a_reload_is_heard(self):
        self.debian.run("systemctl", "reload", "taskq-server")
        self.assertEqual(self.debian.show("taskq-server", "ActiveState"), "active")
        self.assertIn("read again", self.debian.run("journalctl", "--no-pager", "--unit=taskq-server"))

    def test_7_what_hangs_or_dies_is_started_again_and_loses_nothing(self):
        job = self.taskq("enqueue", "sleep", '{"duration_ms": 10}', "--queue", "later", "-o", "id").strip()
        for unit in ("taskq-server", "taskq-worker"):
            self.debian.sh(f"mkdir -p /run/systemd/system/{unit}.service.d\n"
                           f"printf '[Service]\\nWatchdogSec=2\\n' > /run/systemd/system/{unit}.service.d/soon.conf\n"
                           f"systemctl daemon-reload; systemctl restart {unit}")
            self.debian.run("kill", "-STOP", self.debian.show(unit, "MainPID"))
            self.wait_active(unit, 1)
            self.debian.run("kill", "-KILL", self.debian.show(unit, "MainPID"))
            self.wait_active(unit, 2)
        self.assertEqual(json.loads(self.taskq("get", job, "-o", "json"))["state"], "queued")
        self.taskq("enqueue", "sleep", '{"duration_ms": 10}', "--wait")
        self.assertIn("Watchdog timeout", self.debian.run("journalctl", "--no-pager", "--unit=taskq-server"))

    def test_8_a_stranger_builds_the_packaged_examples(self):
        self.debian.sh("cd /tmp; cp -r /usr/share/doc/taskq-doc/examples .; gunzip -r examples\n"
                       "cc -Wall -Werror examples/embed_scheduler.c -o scheduler $(pkg-config --cflags --libs taskq-scheduler)\n"
                       "cc -Wall -Werror examples/embed_worker.c -o worker $(pkg-config --cflags --libs taskq-worker)\n"
                       "cc -Wall -Werror examples/embed_both.c -o both $(pkg-config --cflags --libs taskq)")
        self.assertIn("succeeded", self.debian.run("/tmp/scheduler"))
        self.assertNotIn("sqlite", self.debian.run("ldd", "/tmp/worker"))
        self.debian.sh("rm -r /tmp/examples /tmp/scheduler /tmp/worker /tmp/both")

    def test_9_it_goes_without_a_trace(self):
        self.debian.run("apt-get", "purge", "-y", "-q", *self.built)
        for unit in ("taskq-server", "taskq-worker"):
            self.assertEqual(self.debian.show(unit, "ActiveState"), "inactive")
        self.debian.sh("rm -rf /run/systemd/system/taskq-*")
        self.assertEqual(self.debian.call("pgrep", "-l", "taskq").stdout, "")
        after = self.paths()
        self.assertEqual(sorted(after - self.before), [])
        self.assertEqual(sorted(self.before - after), [])


if __name__ == "__main__":
    unittest.main()
