#!/usr/bin/env python3
"""Compares services that were written for SwiftNIO on IOCPNIO with the same on NIO's own sockets, on one core.

Both servers of a comparison are up at once, and their loads take turns of --turn-ms (`turns.py`). Printed are the medians of the
ratios, IOCPNIO over NIO's own, with their quartiles: throughput, CPU per request, and with --latency the latency that wrk tells
of runs of a second which take turns. A server whose core was not busy all the time waited for its load.

  bench/services.py                                  every service: about 3 minutes
  bench/services.py --only hummingbird --rounds 100 --driver epoll
  bench/services.py --only http --latency

Needs two CPUs, `ss`, the build of `make test-nio` and what `.ci/deps nio` installs. Exit status: 0, 1 when a server or a load
failed, 2 for bad usage.
"""
import argparse
import operator
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile

import turns
from apps import Bench

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SERVICES = os.path.join(ROOT, "Examples", "nio", ".build", "release")


class Service(turns.Side):
    def __init__(self, bench, name, transport):
        super().__init__(transport, None, None)
        self.server = bench.start(
            bench.server_cpu, [os.path.join(SERVICES, name), "--driver", transport], stdout=subprocess.PIPE)
        line = self.server.stdout.readline()
        if not line.startswith("listening on "):
            raise turns.Failure(f"{name} did not start")
        self.port = line.rsplit(":", 1)[1].strip()
        self.unit = 1

    def count(self):
        """Requests, by the bytes that the kernel received for the server, which are as many for each."""
        text = subprocess.run(["ss", "-Htin", f"sport = :{self.port}"], capture_output=True, text=True, check=True).stdout
        return sum(map(int, re.findall(r"bytes_received:(\d+)", text))) / self.unit


class HTTP(Service):
    def __init__(self, bench, name, transport, connections):
        super().__init__(bench, name, transport)
        self.command = ["wrk", "-t", "1", "-c", str(connections)]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.unit = len(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n")
        self.load = bench.load(*self.command, "-d", "3600", self.url)

    def latencies(self, cpu):
        """p50 and p99 of a second, in us."""
        text = subprocess.run(
            ["taskset", "-c", cpu, *self.command, "-d", "1", "--latency", self.url], capture_output=True, text=True,
            check=True).stdout
        units = {"us": 1, "ms": 1e3, "s": 1e6}
        found = [re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", text) for percent in (50, 99)]
        if None in found or "Socket errors" in text:
            raise turns.Failure(f"wrk tells of no second without errors: {text.strip()}")
        return [float(each[1]) * units[each[2]] for each in found]


class GRPC(Service):
    def __init__(self, bench, name, transport, connections):
        super().__init__(bench, name, transport)
        message = "x" * 100
        path = bench.write(f"message-{transport}", "\0" + struct.pack(">I", len(message)).decode() + message)
        self.unit = 165  # a frame of data and one of indexed headers, about
        self.load = bench.load(
            "h2load", "-n", "2000000000", "-c", str(connections), "-m", "10", "-d", path, "-H",
            "content-type: application/grpc", "-H", "te: trailers", f"http://127.0.0.1:{self.port}/echo.Echo/Unary")


WORKLOADS = {
    "http": (HTTP, "nio-http", 1_000),
    "hummingbird": (HTTP, "hummingbird", 100),
    "hummingbird-1000": (HTTP, "hummingbird", 1_000),
    "grpc": (GRPC, "grpc", 10),
}


def compare(workload, arguments):
    kind, name, connections = WORKLOADS[workload]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, folder)
        try:
            sides = []
            for transport in (arguments.driver, "posix"):
                sides.append(kind(bench, name, transport, connections))
                sides[-1].settle()
            if arguments.latency:
                for side in sides:
                    turns.end(side.load)
                taken = turns.by_turns(sides, arguments.rounds, lambda side: side.latencies(bench.load_cpu))
            else:
                taken = turns.take_turns(sides, arguments.rounds, arguments.turn_ms / 1000)
        finally:
            bench.end()
    ours, theirs = taken[arguments.driver], taken["posix"]
    figures, told = (turns.rate, turns.cpu_ns), turns.work
    if arguments.latency:
        figures, told = (operator.itemgetter(0), operator.itemgetter(1)), percentiles
    text = f"{workload:17}" + "".join(turns.spread(figure, ours, theirs, 3) for figure in figures)
    print(text + told(ours) + told(theirs), flush=True)


def percentiles(latencies):
    fifty, ninetynine = (statistics.median(each[at] for each in latencies) for at in (0, 1))
    return f" {f'p50 {fifty:,.0f} us, p99 {ninetynine:,.0f} us':>29}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="one comparison; may be repeated")
    turns.add_options(parser)
    parser.add_argument("--latency", action="store_true", help="of wrk's runs, in place of CPU")
    arguments = parser.parse_args()
    turns.check_options(parser, arguments)
    workloads = arguments.only or [name for name in WORKLOADS if not arguments.latency or WORKLOADS[name][0] is HTTP]
    for name in {WORKLOADS[workload][1] for workload in workloads}:
        if not os.access(os.path.join(SERVICES, name), os.X_OK):
            parser.error(f"{name} is missing: make test-nio builds it")
    if arguments.latency and any(WORKLOADS[workload][0] is not HTTP for workload in workloads):
        parser.error("--latency is told by wrk, and so for HTTP alone")
    first, second = ("p50", "p99") if arguments.latency else ("throughput", "CPU per request")
    print(f"{'':17} {first:26} {second:26} {'IOCPNIO':>29} {'NIO':>29}")
    try:
        for workload in workloads:
            compare(workload, arguments)
    except (turns.Failure, OSError, subprocess.SubprocessError) as failure:
        print(f"services: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
