#!/usr/bin/python3
"""Varies one setting of `iocp serve` at a time, and says what it is good for: the number of workers, the size of the receive buffers,
how much a worker takes at a time, and how long it looks before it sleeps; for messages of 64 B and of 1 MiB.

The servers of all values of a setting are up at once, on one CPU, and their loads take turns (`turns.py`). A value is compared with the
default by the ratios of neighbouring turns: a difference counts if both quartiles are on one side of 1. The table and the advice go to
stdout, all figures to sweep.json, and the picture to sweep.svg and sweep.png, in --results.

  bench/sweep.py
  bench/sweep.py --only spin --rounds 100 --driver epoll

Needs two CPUs, `make build`, and python3-matplotlib. Exit status: 0, 1 when a server or a load failed, 2 for bad usage.
"""
import argparse
import json
import os
import statistics
import sys

import paired
import turns

# The option of `iocp serve`, the values, which of them is the default, and what it is in words.
SETTINGS = {
    "workers": ("--workers", [1, 2, 4, 8], 1, "workers on one CPU"),
    "buffer": ("--receive-buffer", [4 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20], 128 << 10,
               "bytes of a receive buffer"),
    "batch": ("--batch", [16, 64, 256, 1000, 4000], 256, "completions that a worker takes at a time, at most"),
    "spin": ("--spin", [0, 20, 50, 200], 0, "microseconds that a busy worker looks before it sleeps"),
}
WORKLOADS = {"echo-100": "64 B, 100 connections", "echo-1m": "1 MiB, 8 connections"}


def size(value):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= unit and value % unit == 0:
            return f"{value // unit} {name}"
    return str(value)


def measure(setting, workload, arguments):
    """For each value: turns, and [p50, p99] of seconds."""
    option, values, _, _ = SETTINGS[setting]
    sides = []
    try:
        for value in values:
            sides.append(paired.Build(size(value), [arguments.iocp, option, str(value)], arguments.iocp, [], workload,
                                      arguments.driver, arguments.cpus.split(",")))
            sides[-1].settle()
        taken = turns.take_turns(sides, arguments.rounds, arguments.turn_ms / 1000)
        for side in sides:
            turns.end(side.load)
        latencies = turns.by_turns(sides, max(4, arguments.rounds // 10), lambda side: side.latencies())
    finally:
        for side in sides:
            side.end()
    return taken, latencies


def figures(setting, taken, latencies):
    """Medians of each value, and its ratios to the default with their quartiles."""
    _, values, default, _ = SETTINGS[setting]
    rows = []
    for value in values:
        name = size(value)
        rows.append({
            "value": value,
            "rate": statistics.median(map(turns.rate, taken[name])),
            "cpu_us": statistics.median(map(turns.cpu_ns, taken[name])) / 1000,
            "p50_us": statistics.median(each[0] for each in latencies[name]),
            "p99_us": statistics.median(each[1] for each in latencies[name]),
            "rate_ratio": turns.ratios(turns.rate, taken[name], taken[size(default)]),
            "cpu_ratio": turns.ratios(turns.cpu_ns, taken[name], taken[size(default)]),
            "p99_ratio": turns.ratios(lambda each: each[1], latencies[name], latencies[size(default)]),
        })
    return rows


def is_better(row):
    """Whether it takes less CPU or brings more, and neither is worse than the default's beyond its quartiles."""
    cpu, rate = row["cpu_ratio"], row["rate_ratio"]
    return (cpu[2] < 1 or rate[0] > 1) and cpu[0] <= 1 and rate[2] >= 1


def is_worse(row):
    cpu, rate = row["cpu_ratio"], row["rate_ratio"]
    return cpu[0] > 1 or rate[2] < 1


def told(row):
    """The ratios of a value to the default, with their quartiles."""
    return ", ".join(f"{name} {row[key][1]:.2f} ({row[key][0]:.2f} to {row[key][2]:.2f})"
                     for name, key in (("CPU", "cpu_ratio"), ("throughput", "rate_ratio"), ("p99", "p99_ratio")))


def advice(setting, results):
    """One sentence or two for a setting, from the figures of both workloads."""
    _, _, default, words = SETTINGS[setting]
    parts = []
    for workload, rows in results.items():
        others = [row for row in rows if row["value"] != default]
        better, worse = [row for row in others if is_better(row)], [row for row in others if is_worse(row)]
        what = WORKLOADS[workload].split(",")[0]
        if better:
            best = max(better, key=lambda row: row["rate_ratio"][1] / row["cpu_ratio"][1])
            parts.append(f"{what}: {size(best['value'])} is better than {size(default)} ({told(best)})")
        elif worse:
            worst = min(worse, key=lambda row: row["rate_ratio"][1] / row["cpu_ratio"][1])
            parts.append(f"{what}: nothing is better than {size(default)}, and {size(worst['value'])} costs most ({told(worst)})")
        else:
            parts.append(f"{what}: no difference beyond the quartiles")
    return f"{words[0].upper()}{words[1:]}. " + "; ".join(parts) + "."


def draw(results, folder):
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(len(results), 2, figsize=(10, 3.2 * len(results)), squeeze=False)
    for row, (setting, by_workload) in enumerate(results.items()):
        for column, (workload, rows) in enumerate(by_workload.items()):
            axis = axes[row][column]
            places = range(len(rows))
            for key, label, mark in (("cpu_ratio", "CPU per message", "o"), ("rate_ratio", "throughput", "s"),
                                     ("p99_ratio", "p99", "^")):
                low, middle, high = zip(*(each[key] for each in rows))
                axis.errorbar(places, middle, yerr=[[m - l for m, l in zip(middle, low)], [h - m for h, m in zip(high, middle)]],
                              marker=mark, capsize=3, label=label)
            axis.axhline(1, color="grey", linewidth=0.8)
            axis.set_xticks(list(places), [size(each["value"]) for each in rows])
            axis.set_xlabel(SETTINGS[setting][3])
            axis.set_ylabel("over the default")
            axis.set_title(WORKLOADS[workload], fontsize=10)
            axis.set_ylim(bottom=0)
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    for kind in ("svg", "png"):
        figure.savefig(os.path.join(folder, f"sweep.{kind}"), dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=SETTINGS, help="one setting; may be repeated")
    parser.add_argument("--iocp", default=os.path.join(os.path.dirname(__file__), "..", ".build", "release", "iocp"))
    parser.add_argument("--results", default=os.path.join(os.path.dirname(__file__), "results"), help="the folder for the picture")
    turns.add_options(parser)
    arguments = parser.parse_args()
    turns.check_options(parser, arguments)
    if not os.access(arguments.iocp, os.X_OK):
        parser.error(f"{arguments.iocp} is no program: make build")
    os.makedirs(arguments.results, exist_ok=True)
    results = {}
    print(f"{'':26} {'throughput':>12} {'CPU/message':>12} {'p50':>9} {'p99':>9}   over the default: CPU (quartiles), throughput")
    try:
        for setting in arguments.only or SETTINGS:
            for workload in WORKLOADS:
                rows = figures(setting, *measure(setting, workload, arguments))
                results.setdefault(setting, {})[workload] = rows
                for row in rows:
                    cpu, rate = row["cpu_ratio"], row["rate_ratio"]
                    print(f"{setting:8} {size(row['value']):>8} {workload:8} {row['rate']:10,.0f}/s {row['cpu_us']:9.2f} us"
                          f" {row['p50_us']:6,.0f} us {row['p99_us']:6,.0f} us   {cpu[1]:.3f} ({cpu[0]:.3f} to {cpu[2]:.3f}),"
                          f" {rate[1]:.3f} ({rate[0]:.3f} to {rate[2]:.3f})", flush=True)
    except (turns.Failure, OSError) as failure:
        print(f"sweep: {failure}", file=sys.stderr)
        return 1
    print()
    for setting, by_workload in results.items():
        print(advice(setting, by_workload))
    with open(os.path.join(arguments.results, "sweep.json"), "w") as file:
        json.dump(results, file, indent=1)
    draw(results, arguments.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
