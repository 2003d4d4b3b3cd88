#!/usr/bin/env python3
"""What `iocp serve --balance` makes of a skewed load: all connections come to one worker, and each message costs CPU.

Two servers, one with --balance and one without, each with a fresh load for every round: it connects on the first worker's CPU, so that
`--placement incoming-cpu` gives all connections to that worker, and is moved to --load-cpus before it begins. Then it keeps one message
outstanding on each connection. For each round there is the throughput of the latter half of the turn with balance over that without, how
long it took until the workers' shares of CPU were within 10 % of each other for half a second, and how many connections moved. Medians
with quartiles.

  bench/balance.py
  bench/balance.py --workers 4 --driver epoll

Needs one CPU for each worker. On a machine with no more CPUs than that, the load has a part of theirs. Exit status: 0, 1 when a server
or a load failed, 2 for bad usage.
"""
import argparse
import json
import os
import subprocess
import sys
import time

import turns

SAMPLE_S = 0.1
WINDOW_SAMPLES = 5
SPREAD = 0.10


class Server:
    def __init__(self, arguments, cpus, balances):
        self.iocp, self.balances = arguments.iocp, balances
        self.process = subprocess.Popen(
            [arguments.iocp, "serve", "--host", "127.0.0.1", "--port", "0", "--driver", arguments.driver, "--workers",
             str(arguments.workers), "--cpus", turns.cpu_list(cpus), "--placement", "incoming-cpu", "--spend", str(arguments.spend),
             *(["--balance"] if balances else [])], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise turns.Failure("a server did not start")
        self.port = line.split()[2].rsplit(":", 1)[1]
        self.rounds = []

    def counters(self):
        answer = subprocess.run([self.iocp, "stats", "--json", "--pid", str(self.process.pid)], capture_output=True, text=True)
        if answer.returncode != 0:
            raise turns.Failure(f"a server is gone: {answer.stderr.strip()}")
        return json.loads(answer.stdout)["workers"]

    def cpu_ns(self):
        """Of each worker's thread, in the order of workers."""
        found = {}
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            folder = f"/proc/{self.process.pid}/task/{task}/"
            with open(folder + "comm") as name, open(folder + "schedstat") as times:
                worker = name.read().strip()
                if worker.startswith("iocp/"):
                    found[int(worker[5:])] = int(times.read().split()[0])
        return [found[worker] for worker in sorted(found)]


def move(process, cpus):
    """All threads of a load."""
    for task in os.listdir(f"/proc/{process.pid}/task"):
        os.sched_setaffinity(int(task), cpus)


def start_load(server, arguments, cpu):
    load = subprocess.Popen(
        ["taskset", "-c", str(cpu), arguments.iocp, "stress", "--host", "127.0.0.1", "--port", server.port, "--connections",
         str(arguments.connections), "--workers", "1", "--by-turns", "--json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    received = None
    while True:
        counters = server.counters()
        last, received = received, sum(worker["received_operations"] for worker in counters)
        # Each connection has echoed one message, and then nothing is sent.
        if received == last and sum(worker["connections"] for worker in counters) == arguments.connections:
            break
        if load.poll() is not None or time.monotonic() > deadline:
            raise turns.Failure(f"a load did not connect: {load.stderr.read().strip() if load.poll() is not None else 'too slow'}")
        time.sleep(0.1)
    return load, counters


def spread_after(samples):
    """Seconds until shares of CPU are within a tenth of each other over a window, from the samples' beginning; None: never."""
    for first in range(len(samples) - WINDOW_SAMPLES):
        begin, end = samples[first], samples[first + WINDOW_SAMPLES]
        taken = [after - before for before, after in zip(begin[1], end[1])]
        if min(taken) > 0 and (max(taken) - min(taken)) / max(taken) <= SPREAD:
            return end[0] - samples[0][0]
    return None


def perform(server, arguments, cpus, load_cpus):
    load, before = start_load(server, arguments, cpus[0])
    try:
        move(load, load_cpus)
        first = [worker["connections"] for worker in before]
        samples = []
        began = time.monotonic()
        load.stdin.write(f"0 {int(arguments.turn * 1000)}\n")
        load.stdin.flush()
        middle = None
        while time.monotonic() - began < arguments.turn:
            samples.append((time.monotonic(), server.cpu_ns()))
            if middle is None and time.monotonic() - began >= arguments.turn / 2:
                middle = (time.monotonic(), sum(worker["received_operations"] for worker in server.counters()))
            time.sleep(SAMPLE_S)
        after = server.counters()
        messages = sum(worker["received_operations"] for worker in after) - middle[1]
        rate = messages / (time.monotonic() - middle[0])
        told = json.loads(load.stdout.readline())
        load.stdin.close()
        if load.wait(30) != 0:
            raise turns.Failure(f"the load failed: {load.stderr.read().strip()}")
    finally:
        turns.end(load)
    moved = sum(a["migrated_in"] - b["migrated_in"] for a, b in zip(after, before))
    server.rounds.append({"rate": rate, "spread_s": spread_after(samples), "moved": moved, "first": first,
                          "last": [worker["connections"] for worker in after], "p99_us": told["latency_us"]["p99"],
                          "cpu_share": [(b - a) / 1e9 / (samples[-1][0] - samples[len(samples) // 2][0])
                                        for a, b in zip(samples[len(samples) // 2][1], samples[-1][1])]})
    while any(worker["connections"] for worker in server.counters()):
        time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iocp", default=os.path.join(os.path.dirname(__file__), "..", ".build", "release", "iocp"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--spend", type=int, default=50, help="microseconds of CPU for each message")
    parser.add_argument("--driver", default="uring", choices=["uring", "epoll"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turn", type=float, default=6, help="seconds")
    parser.add_argument("--results", help="a file for all figures, JSON")
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if not 2 <= arguments.workers <= len(cpus):
        parser.error(f"--workers takes 2 to {len(cpus)}, the CPUs of this process")
    if arguments.rounds < 4:
        parser.error("--rounds takes 4 or more")
    own, rest = cpus[:arguments.workers], cpus[arguments.workers:]
    servers = []
    try:
        servers = [Server(arguments, own, balances) for balances in (False, True)]
        for _ in range(arguments.rounds):
            for server in servers:
                perform(server, arguments, own, set(rest or own))
    except (turns.Failure, OSError) as failure:
        print(f"balance: {failure}", file=sys.stderr)
        return 1
    finally:
        for server in servers:
            turns.end(server.process)
    off, on = servers
    print(f"{len(cpus)} CPUs, {arguments.workers} workers, {arguments.connections} connections on the first of them, driver "
          f"{arguments.driver}, {arguments.spend} us of CPU for each message; the load on " +
          (f"CPUs {turns.cpu_list(rest)}" if rest else "the workers' CPUs"))
    print(f"messages a second: {turns.quartiles([r['rate'] for r in on.rounds], 0)} with balance, {turns.quartiles([r['rate'] for r in off.rounds], 0)} without")
    print(f"with over without: {turns.quartiles([a['rate'] / b['rate'] for a, b in zip(on.rounds, off.rounds)], 2)}")
    spread = [r["spread_s"] for r in on.rounds if r["spread_s"] is not None]
    print(f"shares of CPU within 10 % of each other after, in s: {turns.quartiles(spread, 1) if len(spread) > 1 else spread} "
          f"in {len(spread)} of {len(on.rounds)} rounds")
    print(f"moved: {turns.quartiles([r['moved'] for r in on.rounds], 0)}; connections at the end: {on.rounds[-1]['last']}; CPU of each worker in "
          f"the latter half: {[round(share, 2) for share in on.rounds[-1]['cpu_share']]}")
    print(f"p99 of the turn, us: {turns.quartiles([r['p99_us'] for r in on.rounds], 0)} with, {turns.quartiles([r['p99_us'] for r in off.rounds], 0)} without")
    if arguments.results:
        with open(arguments.results, "w") as file:
            json.dump({"with": on.rounds, "without": off.rounds}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
