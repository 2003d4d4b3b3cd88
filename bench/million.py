#!/usr/bin/python3
"""Holds a million connections, or --connections of them, on this machine, and accounts for each: `iocp serve --connections` on one
CPU, `iocp hold` on another.

Asks `iocp doctor --connections` first. Then it connects all, lets them rest, sends a heartbeat on 1 % of them, drops 5 % at once and
lets them come back, sends a frame to all, and closes all. Meanwhile it samples the server's memory and the kernel's. At the end the
server's counters and the load's are compared. Text goes to stdout, all figures to million.json, million.md and, with matplotlib, to
million.svg in --results.

Sysctls are raised only where the run could not end without, and put back however it ends.

  bench/million.py                              # a million: some two minutes, and 10 GiB of memory
  bench/million.py --connections 100000
  bench/million.py --peers                      # other servers as well, with as many as their descriptors allow

Needs two CPUs and `make build`. Exit status: 0, 1 when something failed or a connection is unaccounted for, 2 for bad usage or for a
machine that cannot hold them, 130 when interrupted.
"""
import argparse
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import time

import million_page
import million_samples

HERE = os.path.dirname(os.path.abspath(__file__))
IOCP = os.path.join(HERE, "..", ".build", "release", "iocp")
# Both ends of an idle connection in the kernel, and what the two processes keep of it: measured, with some to spare.
BYTES_EACH = 10_500
# Beside the connections: rings and files of both processes.
FILES_SPARE = 2_000
FRAME = 64


class Failure(Exception):
    pass


class Interrupted(Exception):
    def __init__(self, number):
        self.number = number


def interrupt(number, _):
    # A second one must not end what puts things back.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted(number)


class Settings:
    """Sysctls that are raised for the run. `restore` puts them back, in the other order."""

    def __init__(self):
        self.before = []

    @staticmethod
    def path(key):
        return "/proc/sys/" + key.replace(".", "/")

    @staticmethod
    def read(key):
        with open(Settings.path(key)) as file:
            return file.read().strip()

    def write(self, key, value):
        try:
            with open(self.path(key), "w") as file:
                file.write(value)
        except OSError as error:
            raise Failure(f"sysctl -w {key}={value} is refused ({error.strerror}): run as root, or ask for fewer") from None

    def at_least(self, key, value):
        before = self.read(key)
        if int(before) >= value:
            return
        self.before.append((key, before))
        self.write(key, str(value))
        print(f"sysctl {key}: {before} -> {value}, until the end of this run", flush=True)

    def restore(self):
        while self.before:
            key, value = self.before.pop()
            self.write(key, value)

    def prepare(self, connections):
        used = int(self.read("fs.file-nr").split()[0])
        self.at_least("fs.file-max", used + 2 * connections + FILES_SPARE)
        try:
            tracked = int(self.read("net.netfilter.nf_conntrack_count"))
        except OSError:
            return
        # The module may be there, and track nothing: then every connection of this machine is untracked.
        if tracked > 0:
            self.at_least("net.netfilter.nf_conntrack_max", tracked + 2 * connections)


# MARK: Before


def ask_doctor(connections):
    """What the doctor finds short. What is bad ends the run."""
    answer = subprocess.run([IOCP, "doctor", "--connections", str(connections), "--json"], capture_output=True, text=True)
    if not answer.stdout:
        raise Failure(f"iocp doctor failed: {answer.stderr.strip()}")
    checks = [each for each in json.loads(answer.stdout)["checks"] if each["group"] == "capacity"]
    bad = [each for each in checks if each["verdict"] == "bad"]
    if bad:
        raise Failure("; ".join(f"{each['name']}: {each['found']}. {each.get('cost', '')}" for each in bad)
                      + f" Ask for fewer, or see iocp doctor --connections {connections}")
    return checks


def check_memory(connections):
    needed = connections * BYTES_EACH + (1 << 30)
    available = million_samples.meminfo()["MemAvailable"]
    if available < needed:
        raise Failure(f"{connections} connections need {needed / 2**30:.1f} GiB, both ends on one machine, and "
                      f"{available / 2**30:.1f} GiB are available: ask for fewer")


def touch_memory(connections):
    """The host of a virtual machine may give it a page when it is first touched, which costs more than a connection. So the pages are
    touched before, by a process of its own, and are free again when it has ended."""
    script = "import mmap, sys\nm = mmap.mmap(-1, int(sys.argv[1]))\nm.madvise(23)\n"  # MADV_POPULATE_WRITE
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", script, str(connections * BYTES_EACH)], check=False)
    return time.monotonic() - began


# MARK: The run


def counters(pid):
    answer = subprocess.run([IOCP, "stats", "--json", "--pid", str(pid)], capture_output=True, text=True)
    if answer.returncode != 0:
        raise Failure(f"the server is gone: {answer.stderr.strip()}")
    return json.loads(answer.stdout)["total"]


class Run:
    """One server, its load, and what is sampled of them."""

    def __init__(self, name, command, connections, arguments, publishes):
        self.name, self.command, self.connections, self.arguments = name, command, connections, arguments
        self.publishes, self.server, self.load = publishes, None, None
        self.phases, self.moments = {}, {}
        self.server_cpu, self.load_cpu = arguments.cpus.split(",")

    def start_server(self):
        self.server = subprocess.Popen(["taskset", "-c", self.server_cpu, *self.command], stdout=subprocess.PIPE, text=True)
        self.ready = self.server.stdout.readline().strip()
        if not self.ready.startswith("listening on "):
            raise Failure(f"{self.name} did not start: {' '.join(self.command)}")
        words = self.ready.split()
        self.port = words[2].rsplit(":", 1)[1]
        named = dict(word.split("=", 1) for word in words[3:] if "=" in word)
        self.workers = int(named.get("workers", 1))
        self.publish_port = named["publishers"].rsplit(":", 1)[1] if self.publishes else None

    def start_load(self):
        command = [IOCP, "hold", "--json", "--port", self.port, "--connections", str(self.connections),
                   "--server-pid", str(self.server.pid), "--rest", str(self.arguments.rest), "--beat", str(self.arguments.beat)]
        command += ["--publish-port", self.publish_port] if self.publishes else []
        command += [] if self.arguments.source_ports else ["--no-source-ports"]
        self.load = subprocess.Popen(["taskset", "-c", self.load_cpu, *command], stdout=subprocess.PIPE, text=True)

    def perform(self):
        try:
            self.start_server()
            time.sleep(1)
            self.samples = million_samples.Sampler(self.server.pid)
            self.samples.start()
            self.moments["start"] = self.samples.take()
            self.start_load()
            for line in self.load.stdout:
                self.take(json.loads(line))
            self.load.wait()
            self.samples.stop()
            if self.phases.get("account") is None or "close" not in self.phases:
                raise Failure(f"the load of {self.name} ended with status {self.load.returncode}")
            self.counters = self.settled_counters() if self.publishes else None
        finally:
            self.end()
        return self

    def take(self, phase):
        """A phase began or ended."""
        name = phase["phase"]
        if phase["event"] == "began":
            return
        self.phases[name] = phase
        if name != "account":
            print(f"{self.name}: {name}, {phase['seconds']:.2f} s", flush=True)
        self.moments[name] = self.samples.take()
        if name == "connect" and self.publishes:
            self.accepted_after = self.wait_until_accepted(phase)

    def wait_until_accepted(self, phase):
        """The kernel answers a client before the server accepts it: so the server's own counter is asked."""
        deadline = time.monotonic() + 60
        while counters(self.server.pid)["connections"] < self.connections and time.monotonic() < deadline:
            time.sleep(0.05)
        return (time.monotonic_ns() - phase["began_ns"]) / 1e9

    def settled_counters(self):
        """Once the last end is counted."""
        found = counters(self.server.pid)
        for _ in range(100):
            if found["connections"] == 0:
                break
            time.sleep(0.1)
            found = counters(self.server.pid)
        return found

    def end(self):
        for process in (self.load, self.server):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    # MARK: What it came to

    def memory(self):
        """Bytes of a connection at rest."""
        before, after = self.moments["start"], self.moments["hold"]
        return {"user": (after["user"] - before["user"]) / self.connections,
                "user_with_workers": after["user"] / self.connections,
                "kernel_both_ends": (after["kernel"] - before["kernel"]) / self.connections}

    def account(self):
        """Lines of what does not add up."""
        load = self.phases["account"]["account"]
        wrong = []

        def equal(what, one, other):
            if one != other:
                wrong.append(f"{what}: {one} and {other}")
        equal("opened, and the ends of the load", load["opened"], load["finished"] + load["dropped"] + load["lost"])
        equal("opened, and asked for", load["opened"], self.connections + load["reconnected"])
        for key in ("lost", "refused", "errors", "mismatches"):
            equal(key + " of the load, and none", load[key], 0)
        if self.counters:
            server, publishers = self.counters, load["publishers"]
            equal("accepted by the server, and opened by the load", server["accepted"], load["opened"] + publishers)
            equal("closed by the peer, and by the load", server["closed_by_peer"], load["finished"] + publishers)
            equal("reset, and dropped by the load", server["reset"], load["dropped"])
            equal("accepted, and closed", server["accepted"], server["closed"])
            equal("still open, and none", server["connections"], 0)
        return wrong


# MARK: The whole


def servers(arguments):
    """Each server with its command and its connections."""
    wanted = arguments.connections
    server = [IOCP, "serve", "--host", "127.0.0.1", "--port", "0", "--receive-buffer", "16384", "--fan-out", str(FRAME),
              "--publish-port", "0"]
    found = [("iocp", [*server, "--connections", str(wanted)], wanted, True)]
    if not arguments.peers:
        return found
    most = min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100)
    found.append(("iocp", [*server, "--connections", str(most)], most, True))
    for name in ("epoll", "nio", "go", "tokio"):
        for folder in ("release", "peers"):
            path = os.path.join(arguments.baselines, folder, f"echo-{name}")
            if os.access(path, os.X_OK):
                found.append((name, [path, "--host", "127.0.0.1", "--port", "0"], most, False))
                break
        else:
            print(f"million: echo-{name} is not built, and is left out: make bench-build, bench/baselines/build-peers.sh",
                  file=sys.stderr)
    return found


def measure(arguments):
    checks = ask_doctor(arguments.connections)
    check_memory(arguments.connections)
    settings = Settings()
    runs = []
    try:
        settings.prepare(arguments.connections)
        for name, command, connections, publishes in servers(arguments):
            if arguments.touch:
                touch_memory(connections)
            runs.append(Run(name, command, connections, arguments, publishes).perform())
    finally:
        settings.restore()
    return runs, checks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1_000_000, help="1000 to 10000000")
    parser.add_argument("--peers", action="store_true", help="other servers, too")
    parser.add_argument("--baselines", default=os.path.join(HERE, ".build"), help="where they are built")
    parser.add_argument("--rest", type=float, default=10, help="seconds at rest")
    parser.add_argument("--beat", type=float, default=10, help="seconds of the heartbeat alone")
    parser.add_argument("--cpus", default="0,1", help="of the server and of the load")
    parser.add_argument("--no-touch", dest="touch", action="store_false", help="leave memory as it is before")
    parser.add_argument("--no-source-ports", dest="source_ports", action="store_false", help="the kernel chooses the ports")
    parser.add_argument("--results", default=os.path.join(HERE, "results"))
    arguments = parser.parse_args()
    if not 1_000 <= arguments.connections <= 10_000_000:
        parser.error(f"--connections takes 1000 to 10000000, not {arguments.connections}")
    if len(arguments.cpus.split(",")) != 2 or not all(each.isdigit() for each in arguments.cpus.split(",")):
        parser.error(f"--cpus takes two numbers, as 0,1, not {arguments.cpus}")
    if not os.access(IOCP, os.X_OK):
        parser.error(f"{IOCP} is missing: make build builds it")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        runs, checks = measure(arguments)
    except Interrupted as interrupted:
        print("million: interrupted; every setting is as it was", file=sys.stderr)
        return 128 + interrupted.number
    except (Failure, OSError, KeyError, ValueError) as failure:
        print(f"million: {failure}", file=sys.stderr)
        return 2 if isinstance(failure, Failure) and not failure.__context__ and "ask for fewer" in str(failure).lower() else 1
    page = million_page.Page(runs, checks, f"Linux {platform.release()}, {len(os.sched_getaffinity(0))} CPUs")
    os.makedirs(arguments.results, exist_ok=True)
    page.write(arguments.results)
    print(page.text())
    return 1 if any(run.account() for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
