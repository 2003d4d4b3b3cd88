"""The plots of a report of the bench, for `report.py`: each draws one workload into a pair of matplotlib axes.

Colours are given by role. An SVG gets a placeholder for each, which becomes a CSS variable, so that the page chooses light or dark;
a PNG gets the light ones.
"""
import io
import math
import re
import textwrap

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

# Light and dark, by role. Servers have colours of their own where lines are told apart by them.
COLOURS = {
    "ink": ("#1b1f24", "#e6e9ed"), "muted": ("#59636e", "#9aa4af"), "grid": ("#d9dee3", "#363d45"),
    "subject": ("#b8420f", "#ff9a5c"), "other": ("#7b8fa6", "#6f8299"), "second": ("#c9d3de", "#3f4b58"),
    "cpu": ("#b8420f", "#ff9a5c"), "throughput": ("#1a6fb5", "#6cb6ff"), "p99": ("#5f7d1e", "#a8cf5a"),
    "iocp": ("#b8420f", "#ff9a5c"), "iocp-epoll": ("#d68a1c", "#ffd27a"), "uring": ("#1a6fb5", "#6cb6ff"),
    "epoll": ("#5f7d1e", "#a8cf5a"), "poll": ("#8a5fb0", "#cfa5f5"), "select": ("#b04a7f", "#f59ac7"),
    "threads": ("#59636e", "#b6bec7"), "nio": ("#0e8074", "#57d3c4"), "nio-async": ("#40a090", "#8ff0e0"),
    "nio-async-pool": ("#6fb8ae", "#2c9c8e"), "libuv": ("#93700a", "#e0c050"), "asio": ("#4553b5", "#a0aaff"),
    "go": ("#2b94ad", "#7fdcf2"), "tokio": ("#7a3b1d", "#d69a7a"),
}
SUBJECT = "iocp"
# Of an SVG, in inches: so that its text is as large as the page's where a phone shows it over its whole width.
WIDTH = 4.1
# A PNG has so many plots beside each other, each narrower.
PNG_COLUMNS, PNG_WIDTH = 3, 3.45
STYLE = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9,
    "xtick.labelsize": 8.5, "ytick.labelsize": 9, "legend.fontsize": 8.5, "axes.spines.top": False,
    "axes.spines.right": False, "axes.linewidth": 0.8, "axes.axisbelow": True, "legend.frameon": False,
}


def placeholder(role):
    return f"#0a0b{list(COLOURS).index(role):02x}"


def css_variables(dark):
    return "".join(f"--{role}:{pair[1 if dark else 0]};" for role, pair in COLOURS.items())


def light(role):
    return COLOURS[role][0]


# Figures as text.

def digits(value):
    """Three significant digits: "271", "3.90", "0.356"."""
    return "0" if value == 0 else f"{value:.{max(0, 2 - math.floor(math.log10(abs(value) * 1.0005)))}f}"


def scaled(value, units):
    unit, name = next(((unit, name) for unit, name in units if value >= 0.9995 * unit), units[-1])
    return value / unit, name


def short(value):
    """"271k", "3.90"."""
    part, name = scaled(value, ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")))
    return digits(part) + name


def time_text(microseconds):
    part, name = scaled(microseconds, ((1e6, " s"), (1e3, " ms"), (1, " us")))
    return digits(part) + name


def tick(value, text=short):
    """A round number on an axis: no digits that say nothing."""
    number = text(value)
    head = number.rstrip(" usmkMG")
    return (head.rstrip("0").rstrip(".") if "." in head else head) + number[len(head):]


def measured(section):
    return [row for row in section["rows"] if row.get("figures")]


# The plots.

def set_up(axis, colour, grid):
    axis.tick_params(colors=colour("muted"), length=0)
    axis.tick_params(axis="y", labelcolor=colour("ink"))
    for spine in axis.spines.values():
        spine.set_color(colour("grid"))
    axis.grid(axis=grid, color=colour("grid"), linewidth=0.7)
    axis.set_facecolor("none")
    axis.xaxis.label.set_color(colour("muted"))
    axis.yaxis.label.set_color(colour("muted"))


def bars(axis, colour, rows, spreads, text):
    """A bar for each row, as long as the median, with its quartiles as a whisker and its figure in words."""
    longest = max(spread["upper"] for spread in spreads)
    for place, (row, spread) in enumerate(zip(rows, spreads)):
        axis.barh(place, spread["median"], height=0.62, color=colour("subject" if row["contender"] == SUBJECT else "other"))
        axis.plot([spread["lower"], spread["upper"]], [place, place], color=colour("ink"), linewidth=1.4)
        axis.text(spread["upper"] + longest * 0.02, place, text(spread["median"]), va="center", color=colour("ink"), fontsize=8.5)
    axis.set_yticks(range(len(rows)), [row["contender"] for row in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(0, longest * 1.22)
    axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    set_up(axis, colour, "x")
    axis.spines["bottom"].set_visible(False)


def throughput(axis, colour, section):
    rows = measured(section)
    bars(axis, colour, rows, [row["figures"]["messagesPerSecond"] for row in rows], short)
    axis.set_xlabel({"msg/s": "messages a second"}.get(section["unit"], section["unit"].replace("/s", " a second")))


def cpu(axis, colour, section):
    rows = measured(section)
    bars(axis, colour, rows, [row["figures"]["serverCPUMicrosecondsPerMessage"] for row in rows], time_text)
    axis.set_xlabel(f"us of CPU a {section['noun']}; less is better")


def memory(axis, colour, section):
    rows = measured(section)
    ends = []
    for place, row in enumerate(rows):
        kernel, user = (max(0, row["holding"][key]) for key in ("kernelBytesPerConnection", "userBytesPerConnection"))
        axis.barh(place, kernel, height=0.62, color=colour("second"))
        axis.barh(place, user, left=kernel, height=0.62, color=colour("subject" if row["contender"] == SUBJECT else "other"))
        ends.append(kernel + user)
        axis.text(kernel + user + max(ends) * 0.02, place, f"{user:,.0f} B", va="center", color=colour("ink"), fontsize=8.5)
    axis.set_yticks(range(len(rows)), [row["contender"] for row in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(0, max(ends) * 1.25)
    axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    axis.set_xlabel("bytes: kernel (pale), the server's own")
    set_up(axis, colour, "x")
    axis.spines["bottom"].set_visible(False)


def ratios(axis, colour, section):
    """iocp over each other server: the median of neighbouring slices, with quartiles."""
    rows = [row for row in section["rows"] if row.get("subjectOverThis")]
    kinds = (("cpu", "CPU", "o"), ("throughput", "throughput", "s"), ("latencyP99", "p99", "^"))
    for place, row in enumerate(rows):
        for offset, (key, name, mark) in zip((-0.24, 0, 0.24), kinds):
            spread, role = row["subjectOverThis"][key], colour({"latencyP99": "p99"}.get(key, key))
            axis.plot([spread["lower"], spread["upper"]], [place + offset] * 2, color=role, linewidth=1.6)
            says_nothing = spread["lower"] <= 1 <= spread["upper"]
            axis.plot(spread["median"], place + offset, marker=mark, markersize=5, color=role, linestyle="none",
                      fillstyle="none" if says_nothing else "full")
    axis.axvline(1, color=colour("muted"), linewidth=1)
    axis.set_yticks(range(len(rows)), [row["contender"] for row in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xscale("log")
    ends = [row["subjectOverThis"][key][end] for row in rows for key, _, _ in kinds for end in ("lower", "upper")]
    low, high = min([0.8] + ends) * 0.92, max([1.25] + ends) * 1.08
    axis.set_xlim(low, high)
    steps = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 2]
    if high / low > 4:
        steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20] if high / low < 100 else [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100]
    axis.xaxis.set_major_locator(FixedLocator([step for step in steps if low <= step <= high]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlabel("iocp over it (hollow: the quartiles span 1)")
    set_up(axis, colour, "x")
    for key, name, mark in kinds:
        axis.plot([], [], marker=mark, markersize=5, color=colour({"latencyP99": "p99"}.get(key, key)), linestyle="none", label=name)
    legend(axis, colour, 3)


def latency(axis, colour, section):
    """Each percentile's latency; the axis gives each further nine the same room."""
    for row in measured(section):
        points = [(-math.log10(1 - percentile / 100), value)
                  for percentile, value in row["figures"]["latencyPercentilesMicroseconds"] if percentile < 100 and value > 0]
        is_subject = row["contender"] == SUBJECT
        axis.plot(*zip(*points), color=colour(row["contender"]), linewidth=2.2 if is_subject else 1.3, label=row["contender"],
                  zorder=3 if is_subject else 2)
    axis.set_yscale("log")
    axis.set_xlim(0, 4)
    axis.set_xticks([0.301, 1, 2, 3, 4], ["50 %", "90 %", "99 %", "99.9 %", "99.99 %"])
    lowest, highest = axis.get_ylim()
    subs = (1, 2, 5) if highest / lowest < 300 else (1, 3) if highest / lowest < 30_000 else (1,)
    axis.yaxis.set_major_locator(LogLocator(subs=subs))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, time_text)))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("share of messages that took no longer")
    set_up(axis, colour, "both")
    legend(axis, colour, 4)


def legend(axis, colour, columns):
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, labelcolor=colour("ink"), handlelength=1.4,
                columnspacing=1.2, borderaxespad=0.2, handletextpad=0.5)


def height(draw, section):
    """In inches."""
    if draw is latency:
        return 3.2 + 0.18 * (len(measured(section)) // 4)
    if draw is ratios:
        return 1.0 + 0.42 * sum(1 for row in section["rows"] if row.get("subjectOverThis"))
    return 0.7 + 0.27 * len(measured(section))


def svg(draw, section, label):
    """One plot as SVG to stand in a page; `label` says it to those who do not see it."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": label}):
        figure, axis = pyplot.subplots(figsize=(WIDTH, height(draw, section)), layout="constrained")
        figure.patch.set_alpha(0)
        draw(axis, placeholder, section)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    text = out.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    # The font of the page, at the sizes that were asked for.
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    text = re.sub(r'<svg ([^>]*?)(?:width|height)="[^"]*"([^>]*?)(?:width|height)="[^"]*"', r"<svg \1\2", text, count=1)
    for role in COLOURS:
        text = text.replace(placeholder(role), f"var(--{role})")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def png(draw, sections, path, title):
    """The same plot of several workloads side by side."""
    rows = [sections[at:at + PNG_COLUMNS] for at in range(0, len(sections), PNG_COLUMNS)]
    heights = [max(height(draw, section) + 0.4 for section in row) for row in rows]
    columns = min(PNG_COLUMNS, len(sections))
    with matplotlib.rc_context(STYLE):
        figure, axes = pyplot.subplots(len(rows), columns, figsize=(columns * PNG_WIDTH, sum(heights) + 0.3), squeeze=False,
                                       height_ratios=heights, layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=light("ink"))
        for line, row in zip(axes, rows):
            # Titles stand above the legends, which are part of the plots.
            legend_lines = 1 if draw is ratios else 0
            if draw is latency:
                legend_lines = max(1 + (len(measured(section)) - 1) // 4 for section in row)
            for axis, section in zip(line, row):
                draw(axis, light, section)
                summary = textwrap.fill(section["summary"], 42)
                axis.set_title(f"{section['workload']}\n{summary}", loc="left", color=light("ink"), fontsize=7.5,
                               pad=6 + 15 * legend_lines)
            for axis in line[len(row):]:
                axis.axis("off")
        figure.savefig(path, dpi=120, facecolor="white")
        pyplot.close(figure)
