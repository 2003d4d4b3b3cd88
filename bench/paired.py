#!/usr/bin/env python3
"""Compares the server CPU per message of two builds of `iocp serve`, or of one with a baseline server, or of two of those, in neighbouring
slices of time.

Both servers are up at once, and their loads take turns of --slice-ms (`turns.py`). Each pair of slices gives one ratio,
after over before; the medians with their quartiles are printed. The load is the `after` build's, for both, and its
counters tell the messages. A server that is not named iocp is started as a baseline is: with --port or --unix, and the
options that stand beside it in quotes.

  bench/paired.py --before ../before/.build/release/iocp --after .build/release/iocp
  bench/paired.py --before ... --after ... --only echo-1000 --pairs 200 --driver epoll
  bench/paired.py --before .build/release/iocp --after ".build/release/iocp --async"
  bench/paired.py --before bench/.build/release/echo-epoll --after .build/release/iocp --only unix-1000
  bench/paired.py --before "bench/.build/peers/echo-nio-async --takeover" --after .build/release/iocp
  bench/paired.py --before "bench/.build/peers/echo-nio-tls --tls-certificate C --tls-key K" \\
                  --after ".build/release/iocp --tls-certificate C --tls-key K" --load=--tls-insecure --only echo-1k

With --reader-hz the counters of the `after` server are read that often in its slices, by `iocp stats --interval`. So with the
same build on both sides, the ratio is what a reader costs the server:

  bench/paired.py --before .build/release/iocp --after .build/release/iocp --reader-hz 10

Bytes are counted as the load's socket sees them: sealing adds to those of TLS, to both sides alike.

Needs two CPUs. Exit status: 0, 1 when a server or a load failed, 2 for bad usage.
"""
import argparse
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys

import turns

# The load's options, and which counter of the load counts its messages, divided by what. Those on a Unix socket say so.
WORKLOADS = {
    "echo-1": (["--connections", "1"], "received_bytes", 64),
    "echo-100": (["--connections", "100"], "received_bytes", 64),
    "echo-1000": (["--connections", "1000"], "received_bytes", 64),
    "active-100": (["--connections", "18000", "--active", "100"], "received_bytes", 64),
    "pipelined-16": (["--connections", "100", "--depth", "16"], "received_bytes", 64),
    "echo-4k": (["--connections", "100", "--size", "4096"], "received_bytes", 4096),
    "unix-1000": (["--connections", "1000"], "received_bytes", 64),
    "unix-pipelined-16": (["--connections", "100", "--depth", "16"], "received_bytes", 64),
    "echo-1k": (["--connections", "100", "--size", "1024"], "received_bytes", 1024),
    "echo-16k": (["--connections", "100", "--size", "16384"], "received_bytes", 16384),
    "echo-64k": (["--connections", "100", "--size", "65536"], "received_bytes", 65536),
    "echo-1m": (["--connections", "8", "--size", "1048576"], "received_bytes", 1048576),
    "churn": (["--connections", "100", "--churn"], "closed", 1),
}
SHORT = ["echo-100", "echo-1000", "active-100", "pipelined-16"]


class Build(turns.Side):
    """A build's server and its load."""

    def __init__(self, name, server, load, load_options, workload, driver, cpus):
        options, self.counter, self.unit = WORKLOADS[workload]
        options = options + load_options
        self.iocp = load
        is_unix = workload.startswith("unix-")
        # An abstract name leaves no file behind.
        address = ["--unix", f"@iocp-paired-{os.getpid()}-{name}"] if is_unix else ["--port", "0"]
        command = ["taskset", "-c", cpus[0], server[0]]
        if os.path.basename(server[0]) == "iocp":
            command += ["serve", "--workers", "1", "--driver", driver]
        command += server[1:] + address
        self.reader = None
        super().__init__(name, subprocess.Popen(command, stdout=subprocess.PIPE, text=True), None)
        line = self.server.stdout.readline()
        if not line.startswith("listening on "):
            self.end()
            raise turns.Failure(f"the server '{name}' did not start")
        if not is_unix:
            address = ["--port", line.split()[2].rsplit(":", 1)[1].rstrip(",;")]
        self.command = ["taskset", "-c", cpus[1], load, "stress", *address, *options]
        self.load = subprocess.Popen(
            self.command + ["--duration", "3600"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.settled = False

    def read(self, seconds, cpu):
        """From here on the server's counters are read every so many seconds while it has its turn."""
        self.reader = subprocess.Popen(
            ["taskset", "-c", cpu, self.iocp, "stats", "--interval", str(seconds), "--json", "--pid", str(self.server.pid)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader.send_signal(signal.SIGSTOP)

    def go_on(self):
        if self.reader is not None:
            if self.reader.poll() is not None:
                raise turns.Failure(f"the reader ended: {self.reader.stderr.read().strip()}")
            self.reader.send_signal(signal.SIGCONT)
        super().go_on()

    def pause(self):
        super().pause()
        if self.reader is not None:
            self.reader.send_signal(signal.SIGSTOP)

    def end(self):
        if self.reader is not None:
            turns.end(self.reader)
        super().end()

    def settle(self):
        super().settle()
        self.settled = True

    def count(self):
        text = subprocess.run([self.iocp, "stats", "--json", "--pid", str(self.load.pid)],
                              capture_output=True, text=True)
        if text.returncode != 0 and not self.settled:
            return 0  # it has not opened its port yet; `settle` sees whether it ends
        if text.returncode != 0:
            raise turns.Failure(f"the load of '{self.name}' is gone: {text.stderr.strip()}")
        return json.loads(text.stdout)["total"][self.counter] / self.unit

    def latencies(self):
        """p50 and p99 of a second, in us."""
        text = subprocess.run(self.command + ["--duration", "1", "--json"], capture_output=True, text=True)
        if text.returncode != 0:
            raise turns.Failure(f"the load of '{self.name}' failed: {text.stderr.strip()}")
        found = json.loads(text.stdout)["latency_us"]
        return found["p50"], found["p99"]


def compare_latencies(workload, arguments, sides):
    for side in sides:
        turns.end(side.load)
    taken = turns.by_turns(sides, arguments.pairs, lambda side: side.latencies())
    text = f"{workload:17} {arguments.driver:6}"
    for at in (0, 1):
        low, middle, high = turns.ratios(lambda turn: turn[at], taken["after"], taken["before"])
        before, after = (statistics.median(turn[at] for turn in taken[name]) for name in ("before", "after"))
        text += f" {middle:6.3f} ({low:.3f} to {high:.3f}), {before:,.0f} us {after:,.0f} us  "
    print(text.rstrip(), flush=True)


def compare(workload, arguments):
    sides = []
    try:
        for name, server in (("before", arguments.before), ("after", arguments.after)):
            sides.append(Build(name, server, arguments.iocp, arguments.load, workload, arguments.driver,
                               arguments.cpus.split(",")))
            sides[-1].settle()
        if arguments.reader_hz:
            sides[-1].read(1 / arguments.reader_hz, arguments.cpus.split(",")[1])
        if arguments.latency:
            return compare_latencies(workload, arguments, sides)
        taken = turns.take_turns(sides, arguments.pairs, arguments.slice_ms / 1000)
        low, middle, high = turns.ratios(turns.cpu_ns, taken["after"], taken["before"])
        before, after = (statistics.median(map(turns.cpu_ns, taken[name])) / 1000 for name in ("before", "after"))
        print(f"{workload:17} {arguments.driver:6} {middle:6.3f}  ({low:.3f} to {high:.3f}, {len(taken['after'])} pairs)"
              f"   {before:8.2f} us {after:8.2f} us", flush=True)
    finally:
        for side in sides:
            side.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, type=shlex.split,
                        help="the iocp command, or the baseline server with its options, to compare with")
    parser.add_argument("--after", required=True, type=shlex.split,
                        help="the iocp command in question, with more options of its server")
    parser.add_argument("--iocp", help="the command that loads both; default: the one of --after or --before that is named so")
    parser.add_argument("--load", default=[], type=shlex.split,
                        help="more options of the load, as --load=--tls-insecure")
    parser.add_argument("--only", action="append", choices=sorted(WORKLOADS), help="default: " + ", ".join(SHORT))
    parser.add_argument("--driver", default="uring", choices=["uring", "epoll"])
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--slice-ms", type=int, default=250)
    parser.add_argument("--latency", action="store_true",
                        help="p50 and p99, in place of CPU: loads of a second take turns")
    parser.add_argument("--reader-hz", type=float, help="read the counters of the after server so often, 10 at most")
    parser.add_argument("--cpus", default="0,1", help="of the servers, and of the loads")
    arguments = parser.parse_args()
    servers = ["".join(arguments.after[:1]), "".join(arguments.before[:1])]
    arguments.iocp = arguments.iocp or next((path for path in servers if os.path.basename(path) == "iocp"), "iocp")
    for path in servers + [arguments.iocp]:
        if not os.access(path, os.X_OK):
            parser.error(f"{path} is no program: build it with swift build -c release --product iocp")
    if arguments.pairs < 4 or arguments.slice_ms < 20:
        parser.error("--pairs takes 4 or more, --slice-ms 20 or more")
    if arguments.reader_hz is not None and not 0.1 <= arguments.reader_hz <= 10:
        parser.error("--reader-hz takes 0.1 to 10")
    if arguments.reader_hz and os.path.basename(arguments.after[0]) != "iocp":
        parser.error("--reader-hz reads the counters of an iocp server")
    if arguments.latency:
        print("workload          driver  after/before p50 (quartiles), before after   the same of p99")
    else:
        print("workload          driver  after/before CPU per message (quartiles)       before       after")
    try:
        for workload in arguments.only or SHORT:
            compare(workload, arguments)
    except (turns.Failure, OSError) as failure:
        print(f"paired: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
