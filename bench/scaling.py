#!/usr/bin/env python3
"""How `iocp serve` grows with its CPUs: one server for each number of workers, each worker bound to a CPU of its own, and loads on the
other half of the CPUs.

All servers are up at once, and idle but for the one whose turn it is; a turn is a run of `iocp stress`. For each number of workers there
is throughput over that of one worker, CPU per message, p50 and p99, and how evenly the kernel spread the connections: what the busiest
worker received over the mean. Medians with quartiles of --rounds. The load has as many threads as the server has workers, or --load-workers; where
those are busier than the server, the table says that the load is the bottleneck.

  bench/scaling.py
  bench/scaling.py --workers 1,2,4,8 --driver epoll --serve "--placement least-loaded"

Exit status: 0, 1 when a server or a load failed, 2 for bad usage.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys

import turns


def cpu_seconds(pid):
    """User and kernel time of a process, all threads together."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """A server of so many workers, and what its turns brought."""

    def __init__(self, workers, arguments, cpus):
        self.workers, self.iocp = workers, arguments.iocp
        self.turns = []
        self.process = subprocess.Popen(
            [arguments.iocp, "serve", "--port", "0", "--driver", arguments.driver, "--workers", str(workers), "--cpus",
             turns.cpu_list(cpus[:workers]), *arguments.serve],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise turns.Failure(f"the server of {workers} workers did not start")
        self.port = line.split()[2].rsplit(":", 1)[1]

    def received(self):
        text = subprocess.run([self.iocp, "stats", "--json", "--pid", str(self.process.pid)], capture_output=True, text=True)
        if text.returncode != 0:
            raise turns.Failure(f"the server of {self.workers} workers is gone: {text.stderr.strip()}")
        return [worker["received_operations"] for worker in json.loads(text.stdout)["workers"]]

    def turn(self, arguments, load_cpus):
        threads = arguments.load_workers or self.workers
        before, cpu = self.received(), cpu_seconds(self.process.pid)
        usage = os.times()
        load = subprocess.run(
            ["taskset", "-c", turns.cpu_list(load_cpus), self.iocp, "stress", "--port", self.port, "--connections",
             str(arguments.connections * self.workers), "--workers", str(threads), "--duration", str(arguments.turn), "--json"],
            capture_output=True, text=True)
        if load.returncode != 0:
            raise turns.Failure(f"the load of {self.workers} workers failed: {load.stderr.strip()}")
        load_cpu = sum(os.times()[2:4]) - sum(usage[2:4])
        told = json.loads(load.stdout)
        shares = [after - earlier for earlier, after in zip(before, self.received())]
        messages = sum(shares)
        self.turns.append({
            "rate": told["messages_per_second"],
            "cpu_us": (cpu_seconds(self.process.pid) - cpu) / max(1, messages) * 1e6,
            "p50_us": told["latency_us"]["p50"],
            "p99_us": told["latency_us"]["p99"],
            "busiest": max(shares) / (messages / len(shares)) if messages else 0,
            "load_share": load_cpu / arguments.turn / threads,
        })

    def end(self):
        turns.end(self.process)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iocp", default=os.path.join(os.path.dirname(__file__), "..", ".build", "release", "iocp"))
    parser.add_argument("--workers", help="numbers of workers; default: powers of two up to half of the CPUs")
    parser.add_argument("--load-workers", type=int, help="threads of the load; default: as many as the server has")
    parser.add_argument("--connections", type=int, default=250, help="for each worker")
    parser.add_argument("--driver", default="uring", choices=["uring", "epoll"])
    parser.add_argument("--serve", default=[], type=shlex.split, help="more options of the servers")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--turn", type=float, default=1, help="seconds")
    parser.add_argument("--results", help="a file for all figures, JSON")
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    half = max(1, len(cpus) // 2)
    counts = [int(count) for count in arguments.workers.split(",")] if arguments.workers else [
        1 << step for step in range(half.bit_length())]
    if not counts or min(counts) < 1 or max(counts) > half:
        parser.error(f"--workers takes numbers from 1 to {half}, half of this process' CPUs")
    if arguments.rounds < 4:
        parser.error("--rounds takes 4 or more")
    servers = []
    try:
        servers = [Server(count, arguments, cpus[:half]) for count in counts]
        for _ in range(arguments.rounds):
            for server in servers:
                server.turn(arguments, cpus[half:])
    except (turns.Failure, OSError) as failure:
        print(f"scaling: {failure}", file=sys.stderr)
        return 1
    finally:
        for server in servers:
            server.end()
    print(f"{len(cpus)} CPUs, driver {arguments.driver}, {arguments.connections} connections for each worker, 64 B")
    print(f"{'workers':>7}  {'msg/s':>10}  {'over 1 worker':22}  {'CPU, us/msg':22}  {'p50, us':>8}  {'p99, us':>8}  busiest/mean")
    first = servers[0]
    for server in servers:
        ratios = [turn["rate"] / base["rate"] for turn, base in zip(server.turns, first.turns)]
        middle = {key: statistics.median(turn[key] for turn in server.turns) for key in server.turns[0]}
        note = "  the load is the bottleneck" if middle["load_share"] > 0.95 else ""
        print(f"{server.workers:7}  {middle['rate']:10,.0f}  {turns.quartiles(ratios, 2):22}  "
              f"{turns.quartiles([turn['cpu_us'] for turn in server.turns], 2):22}  {middle['p50_us']:8,.0f}  {middle['p99_us']:8,.0f}  "
              f"{turns.quartiles([turn['busiest'] for turn in server.turns], 2)}{note}")
    if arguments.results:
        with open(arguments.results, "w") as file:
            json.dump({server.workers: server.turns for server in servers}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
