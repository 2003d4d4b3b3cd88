#!/usr/bin/env python3
"""Measures what a handler that blocks does to the other connections of its worker.

`iocp-blocking` has one worker. It echoes on one address; each message on its other one is work that blocks for 10 ms: on the
port's pool (`offload`), or in the handler itself (`--inline`), as no handler should. A load on the first address is measured
slice by slice, in turns without and with a load on the second. Each pair of slices gives one ratio of latencies; the medians
with their quartiles are printed, and what was measured without the other load.

  bench/blocking.py --driver uring
  bench/blocking.py --driver epoll --blocking 200 --milliseconds 10 --inline

Exit status: 0; 1 when a server or a load failed, or the median of p99 is above --most; 2 for bad usage.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys

import turns

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Failure(Exception):
    pass


def spawn(core, command, **pipes):
    try:
        return subprocess.Popen(["taskset", "-c", core] + command, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, **pipes)
    except OSError as error:
        raise Failure(f"{error}: is util-linux installed?")


def turn(load, settle_ms, measured_ms):
    load.stdin.write(f"{settle_ms} {measured_ms}\n")
    load.stdin.flush()
    line = load.stdout.readline()
    if not line:
        raise Failure("a load ended")
    return json.loads(line)


def measure(arguments, processes):
    build = arguments.build
    mode = "inline" if arguments.inline else "offload"
    server = spawn(arguments.server_core, [f"{build}/iocp-blocking", arguments.driver, str(arguments.milliseconds), mode])
    processes.append(server)
    line = server.stdout.readline().split()
    if len(line) != 2:
        raise Failure(f"the server did not start: build it by `swift build -c release --product iocp-blocking`")
    port, name = line
    stress = [f"{build}/iocp", "stress", "--by-turns", "--json", "--workers", "1"]
    echo = spawn(arguments.load_core, stress + ["--port", port, "--connections", str(arguments.connections)]
                 + (["--rate", str(arguments.rate)] if arguments.rate else []), stdin=subprocess.PIPE)
    blocking = spawn(arguments.load_core, stress + ["--unix", name, "--connections", str(arguments.blocking)],
                     stdin=subprocess.PIPE)
    processes += [echo, blocking]
    turn(echo, 300, 200)
    turn(blocking, 100, 200)
    alone, ratios, blocked = {}, {}, 0
    for _ in range(arguments.slices):
        pair = []
        for beside in (False, True):
            if beside:  # it answers when its slice is over, behind that of the other load
                blocking.stdin.write(f"0 {arguments.slice_ms + 200}\n")
                blocking.stdin.flush()
            pair.append(turn(echo, 100, arguments.slice_ms))
            if beside:
                blocked += json.loads(blocking.stdout.readline())["messages"]
        for name in ("p50", "p99", "p999"):
            was, now = (one["latency_us"][name] for one in pair)
            alone.setdefault(name, []).append(was)
            ratios.setdefault(name, []).append(now / was)
    return alone, ratios, blocked


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", choices=["uring", "epoll"], default="uring")
    parser.add_argument("--connections", type=int, default=100, help="that are echoed and measured (%(default)s)")
    parser.add_argument("--rate", type=int, default=10_000, help="messages a second on them; 0: a closed loop (%(default)s)")
    parser.add_argument("--blocking", type=int, default=50, help="connections whose messages block (%(default)s)")
    parser.add_argument("--milliseconds", type=int, default=10, help="for how long (%(default)s)")
    parser.add_argument("--inline", action="store_true", help="in the handler itself")
    parser.add_argument("--slices", type=int, default=20, help="pairs of slices, 2 or more (%(default)s)")
    parser.add_argument("--slice-ms", type=int, default=1_000)
    parser.add_argument("--most", type=float, default=1.5, help="bound of the median ratio of p99 (%(default)s)")
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--load-core", default="1")
    parser.add_argument("--build", default=f"{ROOT}/.build/release")
    arguments = parser.parse_args()
    if arguments.slices < 2:
        parser.error("--slices: 2 or more")
    processes = []
    try:
        alone, ratios, blocked = measure(arguments, processes)
    except (Failure, OSError, KeyError, ValueError) as error:
        print(f"blocking.py: {error}", file=sys.stderr)
        return 1
    finally:
        for process in reversed(processes):
            if process.stdin:
                process.stdin.close()  # a load ends with it
            elif process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait()
    for name, values in ratios.items():
        print(f"{name:>6}: beside {blocked} messages that blocked, over alone {turns.quartiles(values, 2)}; "
              f"alone {statistics.median(alone[name]):.0f} us")
    if statistics.median(ratios["p99"]) > arguments.most:
        print(f"p99 is above {arguments.most} times what it is alone", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
