# SPDX-License-Identifier: MIT
"""What the benches share: the programs, servers, the table and its verdicts, and what the machine is."""
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A TASKQ_... variable of whoever runs this would be an option of our programs.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("TASKQ_")}
CONNECTIONS = 16
STARTED = time.monotonic()


class Failed(Exception):
    pass


def progress(text):
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


def ratio(values, others):
    return median([value / other for value, other in zip(values, others)])


# ---- processes ------------------------------------------------------------------------------------------------------

class Programs:
    def __init__(self, build):
        self.server = build / "apps/taskq-server/taskq-server"
        for name in ("load", "rows", "front-only", "prefill", "delay"):
            setattr(self, name.replace("-", "_"), build / "tests/load" / name)
        missing = [path for path in vars(self).values() if not path.exists()]
        if missing:
            raise Failed(f"not built: {', '.join(map(str, missing))} (./dev build)")

    @staticmethod
    def measure(*command):
        """Runs a program that prints one line of JSON."""
        ended = subprocess.run([str(word) for word in command], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        if ended.returncode != 0:
            raise Failed(f"{' '.join(map(str, command))}\n{ended.stderr.strip()}")
        return json.loads(ended.stdout) if ended.stdout.strip() else {}


class Server:
    """A process that says where it listens; the real server, or the bare front."""

    def __init__(self, folder, *command, environment=None):
        self.log = open(folder / "server.log", "a+", encoding="utf-8")
        self.process = subprocess.Popen([str(word) for word in command], env={**ENVIRONMENT, **(environment or {})}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        said = self.process.stdout.readline()
        match = re.match(r"listening on http://127\.0\.0\.1:(\d+)", said)
        if match is None:
            self.stop()
            raise Failed(f"{command[0]} did not start: {said}{self.tail()}")
        self.port = match.group(1)

    def tail(self):
        self.log.seek(0)
        return "".join(self.log.readlines()[-20:])

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024 / 1e6

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


class Bench:
    """A store that is measured: its groups are methods, what they find out are lines of the table."""

    groups = ()
    server_words = ""

    def __init__(self, programs, folder, quick):
        self.programs, self.folder, self.quick = programs, folder, quick
        self.rounds = 1 if quick else 5
        self.seconds = 0.3 if quick else 1.5
        self.backlog = 2000 if quick else 20000
        self.behind = 20000 if quick else 1000000
        self.delay_seconds = 1 if quick else 4
        self.running, self.lines = [], []

    def start(self, *command, **more):
        server = Server(self.folder, *command, **more)
        self.running.append(server)
        return server

    def stop(self):
        for server in self.running:
            server.stop()
        self.running = []

    close = stop

    def load(self, servers, mode, *words):
        """`servers`: one, or several of one store."""
        at = ",".join(server.port for server in (servers if isinstance(servers, (list, tuple)) else [servers]))
        return self.programs.measure(self.programs.load, mode, at, *words)

    def note(self, what, rate, **more):
        """One line of the table; see table()."""
        self.lines.append({"what": what, "rate": rate, **more})


def plural(count):
    return f"{count} connection" + ("" if count == 1 else "s")


# ---- what is printed ---------------------------------------------------------------------------------------------------

def file_system(folder):
    mounts = [line.split() for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    found = max(((words[4], words[words.index("-") + 1]) for words in mounts
                 if f"{folder}/".startswith(words[4].rstrip("/") + "/")), key=lambda pair: len(pair[0]))
    return found[1]


def fsync_ms(folder):
    """An append of 4 KiB and its fdatasync, as a commit is one."""
    taken = []
    with open(folder / "fsync", "wb", buffering=0) as file:
        for _ in range(300):
            begun = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1e3)
    return median(taken)


def facts(bench, quick):
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) / 1e6
    kind = file_system(bench.folder)
    print(f"machine   {os.cpu_count()} cores ({model.group(1).strip() if model else platform.machine()}), "
          f"{memory:.0f} GB, Linux {platform.release()}")
    print(f"disk      {kind}, a 4 KiB append with fdatasync takes {fsync_ms(bench.folder):.3f} ms (median of 300)")
    if kind in ("tmpfs", "ramfs"):
        print("          NOT A DISK: durability full costs nothing here and no ratio means anything; see --data")
    print(f"load      before the start {os.getloadavg()[0]:.2f}; the load generator shares the machine")
    print(f"server    {bench.server_words}; payloads of 200 bytes; {CONNECTIONS} connections where nothing else is said")
    print(f"method    {'quick: one short round, no figure to quote' if quick else 'medians of five interleaved rounds'}"
          "; x(a), x(b): median of the rounds' ratios")
    print("          peak MB: the server's VmHWM, the highest of the rounds; target for all: under 100 MB\n", flush=True)


def target_words(target):
    forms = {"a": "{:g} x(a)", "bare": "{:g} x(bare)", "b": "{:g} x(b)", "behind": "{:g} of the rate without", "rate": "{:,.0f}/s",
             "ms": "under {:g} ms"}
    return ", ".join(forms[key].format(value) for key, value in target.items())


def verdict(line):
    target = line.get("target") or {}
    good = [line[key] < value if key == "ms" else line[key] >= value for key, value in target.items()]
    if line.get("peak") is not None:
        good.append(line["peak"] < 100)
    return None if not target and line.get("peak") is None else all(good)


def table(lines):
    columns = {"a": "x(a)", "b": "x(b)", "bare": "x(bare)", "one": "x(one)"}
    shown = [key for key in columns if any(key in line for line in lines)]
    print(f"{'':74} {'rate':>11} " + "".join(f"{columns[key]:>8}" for key in shown) + f" {'peak MB':>8}  target")
    reached = due = 0
    for line in lines:
        rate = f"{line['rate']:,.0f}/s" if line["rate"] is not None else f"{line['ms']:.2f} ms"
        cells = "".join(f"{line[key]:8.2f}" if line.get(key) is not None else " " * 8 for key in shown)
        peak = f"{line['peak']:.1f}" if line.get("peak") is not None else ""
        target = target_words(line.get("target") or {})
        if "behind" in line:
            target += f": {line['behind']:.2f}"
        good = verdict(line)
        due += good is not None
        reached += bool(good)
        word = "" if good is None else ("REACHED" if good else "SHORT")
        print(f"{line['what']:74} {rate:>11} {cells} {peak:>8}  {target:36} {word}".rstrip())
    peaks = [line["peak"] for line in lines if line.get("peak") is not None]
    print(f"\n{reached} of {due} lines reached" + (f"; the server's memory: {max(peaks):.1f} MB at most" if peaks else ""))
