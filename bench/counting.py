#!/usr/bin/env python3
"""Compares what a message costs the server with its counters and without, in instructions outside of the kernel.

Each server runs on the epoll driver under valgrind's callgrind (which cannot follow io_uring), twice: with a short and a longer
load. The difference is taken, so what starting and ending cost falls out. The server without counters is another build:

  bench/uncounted.py /tmp/uncounted
  bench/counting.py --counted .build/release/iocp --uncounted /tmp/uncounted/.build/release/iocp

valgrind lets the clock be asked by a system call, so a look at the clock is few instructions here; on a processor it is some 25 ns.
A wait looks twice, whether it counts or not.

Exit status: 0, 1 when a server or a load failed, 2 for bad usage.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

LOADS = {
    "echo-1": ["--connections", "1"],
    "echo-100": ["--connections", "100"],
    "pipelined-16": ["--connections", "100", "--depth", "16"],
}
SECONDS_SHORT, SECONDS_LONG = 2, 8


class Failure(Exception):
    pass


def instructions(server, load, options, seconds):
    """Of the server, and the messages that it served meanwhile."""
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log.name}", server, "serve",
             "--host", "127.0.0.1", "--port", "0", "--workers", "1", "--driver", "epoll"], stdout=subprocess.PIPE, text=True)
        try:
            words = process.stdout.readline().split()
            if words[:2] != ["listening", "on"]:
                raise Failure(f"{server} did not start under valgrind")
            port = words[2].rsplit(":", 1)[1].rstrip(",;")
            run = subprocess.run([load, "stress", "--port", port, "--duration", str(seconds), "--json"] + options,
                                 capture_output=True, text=True)
            if run.returncode != 0:
                raise Failure(f"the load failed: {run.stderr.strip()}")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        found = re.search(r"Collected : (\d+)", log.read().decode())
        if found is None:
            raise Failure("callgrind did not say how many instructions it saw")
        return int(found.group(1)), json.loads(run.stdout)["messages"]


def per_message(server, load, options):
    short, few = instructions(server, load, options, SECONDS_SHORT)
    long, many = instructions(server, load, options, SECONDS_LONG)
    return (long - short) / (many - few)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counted", required=True)
    parser.add_argument("--uncounted", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=sorted(LOADS), help="default: all")
    arguments = parser.parse_args()
    for path in (arguments.counted, arguments.uncounted):
        if not os.access(path, os.X_OK):
            parser.error(f"{path} is no program")
    with tempfile.TemporaryDirectory() as folder:
        # valgrind 3.19 gives up on the debug information of recent compilers.
        servers = {}
        for name in ("counted", "uncounted"):
            servers[name] = os.path.join(folder, name)
            subprocess.run(["strip", "-o", servers[name], getattr(arguments, name)], check=True)
        print("workload          instructions per message: counted, uncounted   counting (each round)")
        try:
            for workload in arguments.only or LOADS:
                rounds = [[per_message(servers[name], arguments.counted, LOADS[workload]) for name in servers]
                          for _ in range(arguments.rounds)]
                counted, uncounted = (sorted(each[at] for each in rounds)[len(rounds) // 2] for at in (0, 1))
                shares = ", ".join(f"{one - other:.0f}" for one, other in rounds)
                print(f"{workload:17} {counted:8.0f} {uncounted:8.0f}   {counted - uncounted:6.0f} ({shares})", flush=True)
        except (Failure, OSError) as failure:
            print(f"counting: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
