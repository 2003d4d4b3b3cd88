#!/usr/bin/env python3
"""Compares the server CPU per delivery of a fan-out over two workers with that of one worker.

`iocp serve --fan-out` sends each frame to every other connection, by a Topic. Both servers are up at once, on the same CPUs as
their loads, which take turns of --slice-ms (`turns.py`). Each pair of slices gives one ratio, two workers over one; the
median with its quartiles is printed. With --stalled, so many more connections of the second server do not read.

  bench/topic.py --one ../before/.build/release/iocp --two .build/release/iocp
  bench/topic.py --one .build/release/iocp --workers 1 --two .build/release/iocp --stalled 1000

Exit status: 0, 1 when a server or a load failed, 2 for bad usage.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys

import turns


class FanOut(turns.Side):
    """A server that fans out, its subscribers, and a publisher that keeps frames outstanding."""

    def __init__(self, name, iocp, load, workers, arguments, stalled=0):
        self.iocp, self.unit = iocp, arguments.size
        command = [iocp, "serve", "--port", "0", "--workers", str(workers), "--cpus", "unbound", "--driver", arguments.driver,
                   "--fan-out", str(arguments.size)]
        super().__init__(name, subprocess.Popen(command, stdout=subprocess.PIPE, text=True), None)
        line = self.server.stdout.readline()
        if not line.startswith("listening on "):
            self.end()
            raise turns.Failure(f"the server '{name}' did not start")
        port = int(line.split()[2].rsplit(":", 1)[1])
        self.stalled = [self.deaf(port) for _ in range(stalled)]
        self.load = subprocess.Popen(
            [load, "stress", "--port", str(port), "--duration", "3600", "--fan-out", "--size", str(arguments.size),
             "--connections", str(arguments.connections), "--depth", str(arguments.depth), "--workers", "1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def deaf(port):
        """A connection that never reads."""
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", port))
        return peer

    def count(self):
        text = subprocess.run([self.iocp, "stats", "--json", "--pid", str(self.server.pid)],
                              capture_output=True, text=True)
        if text.returncode != 0:
            raise turns.Failure(f"the server '{self.name}' is gone: {text.stderr.strip()}")
        return json.loads(text.stdout)["total"]["sent_bytes"] / self.unit


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", required=True, help="the iocp command whose one worker fans out")
    parser.add_argument("--two", required=True, help="the iocp command in question, and of all loads")
    parser.add_argument("--workers", type=int, default=2, help="of the command in question")
    parser.add_argument("--connections", type=int, default=10000)
    parser.add_argument("--size", type=int, default=1024, help="bytes of a frame")
    parser.add_argument("--depth", type=int, default=1, help="frames outstanding")
    parser.add_argument("--stalled", type=int, default=0, help="further connections to the second server that never read")
    parser.add_argument("--driver", default="uring", choices=["uring", "epoll"])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--slice-ms", type=int, default=500)
    arguments = parser.parse_args()
    for path in (arguments.one, arguments.two):
        if not os.access(path, os.X_OK):
            parser.error(f"{path} is no program: build it with swift build -c release --product iocp")
    sides = []
    try:
        sides.append(FanOut("one", arguments.one, arguments.two, 1, arguments))
        sides[-1].settle()
        sides.append(FanOut("two", arguments.two, arguments.two, arguments.workers, arguments, arguments.stalled))
        sides[-1].settle()
        taken = turns.take_turns(sides, arguments.pairs, arguments.slice_ms / 1000)
        low, middle, high = turns.ratios(turns.cpu_ns, taken["two"], taken["one"])
        one, two = (statistics.median(map(turns.cpu_ns, taken[name])) / 1000 for name in ("one", "two"))
        print(f"{arguments.connections} subscribers, {arguments.size} B, {arguments.driver}: "
              f"{arguments.workers} workers over 1, CPU per delivery: {middle:.3f} "
              f"({low:.3f} to {high:.3f}, {len(taken['one'])} pairs)   {one:.2f} us   {two:.2f} us", flush=True)
    except (turns.Failure, OSError) as failure:
        print(f"topic: {failure}", file=sys.stderr)
        return 1
    finally:
        for side in sides:
            side.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
