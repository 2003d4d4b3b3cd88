#!/usr/bin/env python3
"""Builds `iocp` from a copy of this tree whose counting is cut out, to see what counting costs: bench/counting.py.

  bench/uncounted.py DIR      the copy; DIR/.build/release/iocp is the command

What is cut: the stores into the stats page, the ticks between two handlers, and all that is measured for the page alone. The library
takes no counter for anything else, so the copy serves as the tree does; its page stays empty.

Exit status: 0, 1 when there is nothing to cut or the build failed, 2 for bad usage.
"""
import os
import shutil
import subprocess
import sys

# A line of a file in CSources/CIOCP, and what stands there instead.
CUTS = [
    ("stats/page.h", "#define IOCP_STATS_SET(cell, field, value) __atomic_store_n(&(cell)->stats.field, (value), __ATOMIC_RELAXED)",
     "#define IOCP_STATS_SET(cell, field, value) ((void)(value))"),
    ("stats/page.h", "#define IOCP_STATS_ADD(cell, field, amount) IOCP_STATS_SET(cell, field, (cell)->stats.field + (amount))",
     "#define IOCP_STATS_ADD(cell, field, amount) ((void)(amount))"),
    ("stats/page.h", "    iocp_stats_histogram *histogram = &cell->histograms[index];",
     "    if (1) return;\n    iocp_stats_histogram *histogram = &cell->histograms[index];"),
    ("include/iocp_worker.h", "    const uint64_t ticks = iocp_ticks();", "    if (1) return;\n    const uint64_t ticks = 0;"),
    ("worker/measuring.c", "    worker->turn_began_ns = worker->now_ns;", "    worker->turn_began_ns = 0;"),
    ("worker/measuring.c", "    worker->watch.last_ticks = iocp_ticks();", ""),
    ("worker/measuring.c", "    return worker->wait_count % LIBRARY_TIME_SHARE == 0;", "    return worker == NULL;"),
    ("worker/measuring.c", "    if (completion_count >= LARGE_BATCH_COUNT) {", "    if (worker == NULL) {"),
    ("worker/measuring.c", "    return worker->operations->now_ns == NULL;", "    return worker == NULL;"),
    ("worker/measuring.c", "    if (latest_ns(worker) < accepting->look_due_ns || set->operations->backlog == NULL)",
     "    if (worker != NULL || latest_ns(worker) < accepting->look_due_ns || set->operations->backlog == NULL)"),
]


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    here, copy = os.path.dirname(os.path.dirname(os.path.abspath(__file__))), sys.argv[1]
    for name in ("CSources", "Sources", "Tests"):
        shutil.copytree(os.path.join(here, name), os.path.join(copy, name), dirs_exist_ok=True)
    for name in ("Package.swift", "Package.resolved"):
        if os.path.exists(os.path.join(here, name)):
            shutil.copy(os.path.join(here, name), copy)
    for name, line, cut in CUTS:
        path = os.path.join(copy, "CSources/CIOCP", name)
        with open(path) as file:
            text = file.read()
        if text.count(f"\n{line}\n") != 1:
            print(f"uncounted: {name} has no line \"{line.strip()}\"", file=sys.stderr)
            return 1
        with open(path, "w") as file:
            file.write(text.replace(f"\n{line}\n", f"\n{cut}\n"))
    return subprocess.run(["swift", "build", "-c", "release", "--product", "iocp"], cwd=copy).returncode and 1


if __name__ == "__main__":
    sys.exit(main())
