"""The report of `million.py`: what was aimed at, each server's figures, and where every connection went."""
import json
import os
import time

AIMS = {
    "established in at most 60 s": (60, "s"), "user memory of a connection at most 256 B": (256, "B"),
    "idle server below 1 % of a core": (1, "%"), "heartbeat p99 at most 100 ms": (100, "ms"),
    "5 % back within 5 s": (5, "s"), "heartbeat p99 meanwhile at most twice": (2, "x"),
    "a frame to all within 10 s": (10, "s"),
}


def milliseconds(microseconds):
    return f"{microseconds / 1000:.2f} ms"


class Page:
    def __init__(self, runs, checks, machine):
        self.runs, self.checks, self.machine = runs, checks, machine

    # MARK: Figures

    @staticmethod
    def figures(run):
        phases = run.phases
        connect, hold = phases["connect"], phases["hold"]
        # The first and the last second are parts of one.
        rates = connect["per_second"] or [round(connect["count"] / max(connect["seconds"], 1e-3))]
        found = {
            "server": run.name, "connections": run.connections, "workers": run.workers,
            "connect_seconds": connect["seconds"], "accepted_seconds": getattr(run, "accepted_after", None),
            "connects_per_second": connect["count"] / connect["seconds"], "rates": rates,
            "memory": run.memory(), "idle_cpu_percent": hold["server_cpu_us"] / hold["seconds"] / 1e4,
            "heartbeat": phases.get("heartbeat"), "reconnect": phases.get("reconnect"),
            "broadcast_seconds": phases["broadcast"]["seconds"] if "broadcast" in phases else None,
            "close_seconds": phases["close"]["seconds"] if "close" in phases else None,
            "account": phases["account"]["account"], "unaccounted": run.account(), "counters": run.counters,
        }
        return found

    @staticmethod
    def targets(found):
        beat, storm = found["heartbeat"], found["reconnect"]
        values = [
            max(found["connect_seconds"], found["accepted_seconds"] or 0), found["memory"]["user"],
            found["idle_cpu_percent"], beat and beat["latency_us"]["p99"] / 1000, storm and storm["seconds"],
            storm and beat and "latency_us" in storm and storm["latency_us"]["p99"] / beat["latency_us"]["p99"],
            found["broadcast_seconds"],
        ]
        rows = []
        for (name, (bound, unit)), value in zip(AIMS.items(), values):
            if value:
                rows.append((name, f"{value:.2f} {unit}", "met" if value <= bound else "**missed**"))
            elif value is not None and name.startswith("idle"):
                rows.append((name, f"{value:.2f} {unit}", "met"))
        rows.append(("everything accounted for, 0 mismatches", "; ".join(found["unaccounted"]) or "yes",
                     "**missed**" if found["unaccounted"] else "met"))
        return rows

    @staticmethod
    def row(found):
        beat, storm, memory = found["heartbeat"], found["reconnect"], found["memory"]
        latency = beat["latency_us"] if beat else {}
        during, late = (storm.get("latency_us"), storm.get("behind_schedule_us")) if storm else (None, None)
        rates = found["rates"]
        return [
            found["server"], f"{found['connections']:,}", str(found["workers"]),
            f"{found['connect_seconds']:.1f} s, {found['connects_per_second']:,.0f}/s ({min(rates):,} to {max(rates):,})",
            f"{memory['user']:.0f} B ({memory['user_with_workers']:.0f})", f"{memory['kernel_both_ends']:,.0f} B",
            f"{found['idle_cpu_percent']:.2f} %",
            " / ".join(milliseconds(latency[each]) for each in ("p50", "p99", "p999")) if latency else "",
            f"{storm['count']:,} in {storm['seconds']:.2f} s" + (
                f", p99 {milliseconds(during['p99'])}, of the load's own lateness {milliseconds(late['p99'])}, its CPU "
                f"{storm['load_cpu_us'] / storm['seconds'] / 1e4:.0f} % busy" if during else "") if storm else "",
            f"{found['broadcast_seconds']:.2f} s" if found["broadcast_seconds"] is not None else "",
            f"{found['close_seconds']:.1f} s" if found["close_seconds"] is not None else "",
        ]

    HEAD = ["server", "connections", "workers", "connect (per second)", "user memory (with workers)", "kernel, both ends", "idle CPU",
            "heartbeat p50 / p99 / p99.9", "drop and return", "broadcast", "close"]

    def text(self):
        found = [self.figures(run) for run in self.runs]
        lines = [f"# {found[0]['connections']:,} connections", "", f"{time.strftime('%Y-%m-%d')}, {self.machine}.", "",
                 "| aim | measured | |", "|---|---|---|"]
        lines += [f"| {name} | {value} | {verdict} |" for name, value, verdict in self.targets(found[0])]
        lines += ["", "| " + " | ".join(self.HEAD) + " |", "|" + "---|" * len(self.HEAD)]
        lines += ["| " + " | ".join(self.row(each)) + " |" for each in found]
        for each in found:
            load = each["account"]
            lines += ["", f"{each['server']}, {each['connections']:,}: {load['opened']:,} opened = {load['finished']:,} closed by FIN + "
                      f"{load['dropped']:,} dropped + {load['lost']:,} lost; {load['mismatches']} mismatches, {load['errors']} errors."
                      + ("" if not each["unaccounted"] else " Unaccounted for: " + "; ".join(each["unaccounted"]) + ".")]
        notes = [each for each in self.checks if each["verdict"] != "ok"]
        if notes:
            lines += ["", "`iocp doctor` says of this machine:"]
            lines += [f"- {each['verdict']}: {each['name']}: {each['found']}" for each in notes]
        return "\n".join(lines)

    # MARK: Files

    def write(self, folder):
        with open(os.path.join(folder, "million.md"), "w") as file:
            file.write(self.text() + "\n")
        document = [{**self.figures(run), "samples": run.samples.samples, "phases": run.phases} for run in self.runs]
        with open(os.path.join(folder, "million.json"), "w") as file:
            json.dump({"machine": self.machine, "date": time.strftime("%Y-%m-%d"), "runs": document}, file, indent=1)
        try:
            self.draw(os.path.join(folder, "million"))
        except ImportError:
            print("million: matplotlib is missing, so no picture is drawn")

    def draw(self, path):
        """Connects of each second, and memory of the server and of the kernel over time."""
        import plots
        run = self.runs[0]
        with plots.matplotlib.rc_context(plots.STYLE):
            figure, (rate, memory) = plots.pyplot.subplots(1, 2, figsize=(8.2, 2.8), layout="constrained")
            rates = self.figures(run)["rates"]
            rate.plot(range(1, len(rates) + 1), [each / 1000 for each in rates], color=plots.light("subject"))
            rate.set_ylim(0)
            rate.set_title("connections established in each second, thousands", loc="left")
            rate.set_xlabel("s")
            began = run.samples.samples[0]["at"]
            times = [each["at"] - began for each in run.samples.samples]
            for name, role in (("kernel", "other"), ("user", "subject")):
                first = run.samples.samples[0][name]
                memory.plot(times, [(each[name] - first) / 2**30 for each in run.samples.samples], color=plots.light(role),
                            label={"kernel": "kernel, both ends", "user": "server"}[name])
            memory.set_title("memory, GiB more than before", loc="left")
            memory.set_xlabel("s")
            memory.legend()
            for suffix in ("svg", "png"):
                figure.savefig(f"{path}.{suffix}", dpi=120, facecolor="white")
            plots.pyplot.close(figure)
