"""Servers that take turns, for `paired.py`, `apps.py` and `services.py`.

All servers are up at once on one CPU, each with a load of its own on another. Only one load runs at a time, and the
turn passes after some 250 ms: what disturbs the machine for longer than that touches all alike. So each round gives one
ratio.
"""
import collections
import os
import re
import signal
import statistics
import subprocess
import time

Turn = collections.namedtuple("Turn", "count cpu_ns seconds")

# A turn with fewer messages says nothing.
COUNT_MIN = 50


class Failure(Exception):
    pass


class Side:
    """One server and its load. The load is stopped until its turn comes."""

    def __init__(self, name, server, load):
        self.name, self.server, self.load = name, server, load
        self.pids = []

    def count(self):
        """How many messages the server has served so far."""
        raise NotImplementedError

    def cpu_ns(self):
        """CPU time of all threads of the server, and of the processes that it started."""
        if not self.pids:
            self.pids = family(self.server.pid)
        total = 0
        for pid in self.pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
        return total

    def pause(self):
        self.load.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.check_load()
        self.load.send_signal(signal.SIGCONT)

    def check_load(self):
        if self.load.poll() is not None:
            said = self.load.stderr.read().strip() if self.load.stderr else ""
            raise Failure(f"the load of '{self.name}' ended: {said or self.load.returncode}")

    def settle(self):
        """Waits until the load is under way, and stops it."""
        for _ in range(120):
            self.check_load()
            before = self.count()
            time.sleep(0.5)
            if self.count() > before:
                return self.pause()
        raise Failure(f"the load of '{self.name}' does not get going")

    def turn(self, seconds):
        count, cpu_ns, start = self.count(), self.cpu_ns(), time.monotonic()
        self.go_on()
        time.sleep(seconds)
        self.pause()
        passed = time.monotonic() - start
        time.sleep(0.02)  # what was on its way is served
        return Turn(self.count() - count, self.cpu_ns() - cpu_ns, passed)

    def end(self):
        for process in (self.load, self.server):
            if process is not None:
                end(process)


def end(process):
    """Asks a process to end, also one that is stopped. One that does not is killed, with what it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        for pid in family(process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()


def family(pid):
    """The process and what it started, grandchildren included."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parents[int(entry)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                pass  # it ended meanwhile
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def by_turns(sides, rounds, measure):
    """What `measure` tells of each side, by its name, the sides in another order each round."""
    taken = {side.name: [] for side in sides}
    for round in range(rounds):
        for side in sides[:: 1 if round % 2 else -1]:
            taken[side.name].append(measure(side))
    return taken


def take_turns(sides, rounds, seconds):
    """A list of turns for each side, by its name. Rounds with too few messages for one of them are left out."""
    turns = {side.name: [] for side in sides}
    for round in range(rounds):
        first = round % len(sides)
        order = sides[first:] + sides[:first]
        taken = {side.name: side.turn(seconds) for side in order}
        if min(turn.count for turn in taken.values()) >= COUNT_MIN:
            for name, turn in taken.items():
                turns[name].append(turn)
    done = len(turns[sides[0].name])
    if done < max(2, rounds // 2):
        raise Failure(f"only {done} of {rounds} rounds had messages enough")
    return turns


def cpu_ns(turn):
    """CPU time per message."""
    return turn.cpu_ns / turn.count


def rate(turn):
    """Messages per second."""
    return turn.count / turn.seconds


def spread(figure, one, other, digits):
    """The ratio of one figure, with its quartiles, as a part of a row."""
    low, middle, high = ratios(figure, one, other)
    quartiles = f"({low:.{digits}f} to {high:.{digits}f})"
    return f" {middle:6.{digits}f}  {quartiles:{12 + 2 * digits}}"


def quartiles(values, digits):
    """The median of some values with their quartiles, in words."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def cpu_list(cpus):
    """As taskset takes it."""
    return ",".join(map(str, cpus))


def work(turns):
    """What one side did: rate, CPU per message, and how busy its core was, as a part of a row."""
    busy = statistics.median(turn.cpu_ns / turn.seconds / 1e9 for turn in turns)
    cost = statistics.median(map(cpu_ns, turns)) / 1000
    return f" {f'{statistics.median(map(rate, turns)):,.0f}/s {cost:.2f} us {busy:.0%}':>29}"


def add_options(parser):
    parser.add_argument("--driver", default="uring", choices=["uring", "epoll"])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--turn-ms", type=int, default=250)
    parser.add_argument("--cpus", default="0,1", help="of the servers, and of the loads")


def check_options(parser, arguments):
    if arguments.rounds < 4 or arguments.turn_ms < 20:
        parser.error("--rounds takes 4 or more, --turn-ms 20 or more")
    if not re.fullmatch(r"\d+,\d+", arguments.cpus):
        parser.error("--cpus takes two numbers, as 0,1")


def ratios(figure, one, other):
    """The lower quartile, the median and the upper quartile of one figure over the other, round by round."""
    return statistics.quantiles([figure(a) / figure(b) for a, b in zip(one, other)], n=4)
