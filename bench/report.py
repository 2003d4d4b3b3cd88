#!/usr/bin/python3
"""Draws a report of the bench: its JSON as one HTML page that needs nothing else, with plots, tables, the machine and the commands.

  bench/report.py bench/results/latest.json bench/results/latest.html
  bench/report.py bench/results/latest.json --png docs     # the main plots as docs/bench-*.png

Needs python3-matplotlib. Exit status: 0, 1 where it is missing or the report cannot be read, 2 for bad usage.
"""
import argparse
import html
import json
import os
import sys

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ {light} --page:#ffffff; --card:#f6f8fa; }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} --page:#14181d; --card:#1c2229; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 84rem; padding: 1rem; background: var(--page); color: var(--ink);
       font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 1rem; }}
h2 {{ font-size: 1.2rem; margin: 2.5rem 0 .25rem; }}
h3 {{ font-size: .95rem; margin: 0 0 .5rem; }}
p {{ max-width: 46rem; margin: .5rem 0; }}
nav a {{ display: inline-block; margin-right: 1rem; color: var(--throughput); }}
.quiet, dl {{ color: var(--muted); }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: 1rem 0; font-size: .9rem; }}
dt {{ color: var(--ink); }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
.plots {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(21rem, 100%), 1fr)); gap: 1rem; margin: 1rem 0; }}
figure {{ margin: 0; padding: .75rem; background: var(--card); border-radius: .5rem; min-width: 0; }}
figure svg {{ display: block; width: 100%; max-width: 34rem; height: auto; font-family: inherit; }}
.wide {{ overflow-x: auto; margin: 1rem 0; }}
table {{ border-collapse: separate; border-spacing: 0; font-size: .85rem; white-space: nowrap; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .25rem .75rem .25rem 0; text-align: right; border-bottom: 1px solid var(--grid); }}
th {{ font-weight: 600; color: var(--muted); }}
th:first-child, td:first-child {{ text-align: left; position: sticky; left: 0; background: var(--page);
                                white-space: normal; min-width: 6.5rem; }}
tr.subject td {{ font-weight: 600; }}
ul {{ padding-left: 1.2rem; font-size: .9rem; color: var(--muted); max-width: 60rem; }}
details {{ margin: .5rem 0; font-size: .85rem; }}
pre {{ overflow-x: auto; background: var(--card); padding: .75rem; border-radius: .5rem; font-size: .8rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""

PLOTS = ("throughput", "Throughput"), ("cpu", "CPU per message"), ("ratios", "iocp over the others"), \
    ("latency", "Latency"), ("memory", "Memory of a connection")


def bare(value):
    return html.escape(str(value), quote=True)


def table(headers, rows):
    """Rows are of text; that of iocp is told from the others."""
    head = "".join(f"<th>{bare(each)}</th>" for each in headers)
    body = "".join(
        f"<tr{' class=subject' if row[0] == 'iocp' else ''}>" + "".join(f"<td>{bare(cell)}</td>" for cell in row) + "</tr>"
        for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def spread(figures, text):
    return f"{text(figures['median'])} ({text(figures['lower'])} - {text(figures['upper'])})"


def difference(figures):
    """A ratio with its quartiles; "none" where they lie on both sides of 1."""
    if figures is None:
        return ""
    if figures["lower"] <= 1 <= figures["upper"]:
        return f"none ({figures['lower']:.2f} - {figures['upper']:.2f})"
    return spread(figures, "{:.2f}".format)


def machine(report):
    about = report["machine"]
    lines = {
        "date": about["date"], "kernel": f"Linux {about['kernel']}",
        "CPU": f"{about['cpuModel']}, {about['cpusOnline']} online; servers on {about['serverCPU']}, loads on {about['loadCPU']}",
        "memory": f"{about['memoryBytes'] >> 20:,} MiB",
        "limits": f"{about['limits']['descriptors']:,} descriptors per process",
        "load average": f"{about['loadAverageAtStart']:.2f} at the start", "command": report["command"],
        "took": f"{report['wallSeconds']:.0f} s",
    }
    if about.get("placementCaveat"):
        lines["caution"] = about["placementCaveat"]
    return "<dl>" + "".join(f"<dt>{bare(name)}</dt><dd>{bare(value)}</dd>" for name, value in lines.items()) + "</dl>"


def targets(report, plots):
    def text(target):
        if target.get("over"):
            return "{:.3f}".format
        if "p99" in target["figure"]:
            return plots.time_text
        return (lambda value: f"{value:.0f} B") if "memory" in target["figure"] else "{:.3g}".format
    rows = [[f"{each['workload']}: {each['figure']}" + (f" over {each['over']}" if each.get("over") else ""),
             text(each)(each["atMost"]), text(each)(each["measured"]["median"]) if each["measured"]["count"] == 1
             else spread(each["measured"], text(each)), "met" if each["isMet"] else "missed"] for each in report["targets"]]
    return "<h2>Targets</h2>" + table(["target", "at most", "measured (quartiles)", ""], rows) if rows else ""


def workload(section, plots):
    parts = [f"<h2 id=\"{bare(section['workload'])}\">{bare(section['workload'])}</h2><p>{bare(section['summary'])}</p>"]
    rows, drawn = plots.measured(section), []
    for name, title in PLOTS:
        lacks = not rows or (name == "memory" and not section["holds"]) \
            or (name == "ratios" and not any(row.get("subjectOverThis") for row in rows))
        if not lacks:
            picture = plots.svg(getattr(plots, name), section, bare(f"{title}, {section['workload']}"))
            drawn.append(f"<figure><h3>{bare(title)}</h3>{picture}</figure>")
    parts.append(f'<div class="plots">{"".join(drawn)}</div>')
    cells = []
    for row in rows:
        figures, over = row["figures"], row.get("subjectOverThis") or {}
        latency = figures["latencyMicroseconds"]
        cells.append([
            row["contender"], f"{row['holding']['connectionsAccepted']:,.0f}", spread(figures["messagesPerSecond"], plots.short),
            spread(figures["serverCPUMicrosecondsPerMessage"], plots.short),
            *(plots.time_text(latency[key]) for key in ("p50", "p99", "p999", "max")),
            *(difference(over.get(key)) for key in ("cpu", "throughput", "latencyP99"))])
    parts.append(table(["server", "connections", section["unit"], f"us CPU a {section['noun']}", "p50", "p99", "p99.9", "max",
                        "iocp over it: CPU", "throughput", "p99"], cells))
    if section["notes"]:
        parts.append("<ul>" + "".join(f"<li>{bare(note)}</li>" for note in section["notes"]) + "</ul>")
    commands = dict.fromkeys(row[key] for row in rows for key in ("serverCommand", "loadCommand"))
    parts.append(f"<details><summary>Commands</summary><pre>{bare(chr(10).join(commands))}</pre></details>")
    return "".join(parts)


def page(report, plots):
    names = [section["workload"] for section in report["sections"]]
    body = [machine(report), "".join(f"<p>{bare(line)}</p>" for line in report["method"].split("\n"))]
    body.append("<nav>" + "".join(f'<a href="#{bare(name)}">{bare(name)}</a>' for name in names) + "</nav>")
    body.append(targets(report, plots))
    body += [workload(section, plots) for section in report["sections"]]
    return PAGE.format(title="iocp and other servers, " + bare(report["machine"]["date"][:10]), light=plots.css_variables(False),
                       dark=plots.css_variables(True), body="\n".join(body))


def pictures(report, plots, folder):
    """The main plots of the workloads that compare servers."""
    sections = [each for each in report["sections"] if any(row.get("subjectOverThis") for row in each["rows"])]
    about = report["machine"]
    where = f"{about['cpuModel']}, Linux {about['kernel'].split('-')[0]}, {about['date'][:10]}"
    for name, title in PLOTS:
        if name in ("throughput", "memory"):
            continue
        plots.png(getattr(plots, name), sections, os.path.join(folder, f"bench-{name}.png"), f"{title}. {where}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", help="a report of the bench")
    parser.add_argument("html", nargs="?", help="the page to write")
    parser.add_argument("--png", metavar="FOLDER", help="where to write the main plots as pictures")
    arguments = parser.parse_args()
    try:
        import plots
        with open(arguments.json) as file:
            report = json.load(file)
        if arguments.html:
            with open(arguments.html, "w") as file:
                file.write(page(report, plots))
        if arguments.png:
            pictures(report, plots, arguments.png)
    except ModuleNotFoundError as failure:
        print(f"the Python module {failure.name} is missing: install python3-{failure.name}", file=sys.stderr)
        return 1
    except (OSError, json.JSONDecodeError) as failure:
        print(f"the report cannot be drawn: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
