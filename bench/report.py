# SPDX-License-Identifier: MIT
"""The page of `pollux bench --report`: HTML with SVG charts, from the JSON of a result.

python3 bench/report.py RESULT.json >index.html

pollux carries this file and lets Python run it. scripts/results draws its pictures with Axis and Chart.
"""
import json
import math
import sys
from html import escape

# Seen on white and on black.
COLOURS = ["#868e96", "#e8590c", "#2f9e44", "#1c7ed6", "#ae3ec9", "#b8860b", "#0c8599", "#e03131",
           "#d6336c", "#74b816", "#845ef7", "#15aabf"]


# --- charts ---

def si(value):
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{suffix}"
    return f"{value:.3g}"


class Axis:
    """Values along one side of a chart. ticks: pairs of value and text."""

    def __init__(self, low, high, ticks, label="", log=False):
        self.low, self.high, self.ticks, self.label, self.log = low, high, ticks, label, log

    @classmethod
    def of(cls, values, label):
        """Logarithmic where the values differ by more than 8 times, else from 0."""
        known = [v for v in values if v and v > 0]
        if max(known) > 8 * min(known):
            low, high = min(known) / 1.5, max(known) * 1.5
            steps = (1,) if high > 300 * low else (1, 2, 5)
            decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
            ticks = [n * 10.0 ** d for d in decades for n in steps]
            return cls(low, high, [(t, si(t)) for t in ticks if low <= t <= high], label, True)
        return cls.from_zero(known, label)

    @classmethod
    def from_zero(cls, values, label):
        high = max(values) * 1.12
        unit = 10 ** math.floor(math.log10(high / 3))
        step = unit * max(n for n in (1, 2, 5) if n * unit <= high / 3)
        return cls(0, high, [(i * step, si(i * step)) for i in range(int(high / step) + 1)], label)

    def part(self, value):
        """0 at the low end of the axis, 1 at the high end."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


# Shapes around a point: a path, and whether it is filled.
CIRCLE = "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0"
MARKS = {"dot": (CIRCLE, True), "ring": (CIRCLE, False), "cross": ("m-3-3l6 6m0-6l-6 6", False),
         "square": ("m-3-3h6v6h-6z", False), "triangle": ("m0-4l4 7h-8z", False)}


def mark_path(places, mark, colour):
    shape, filled = MARKS[mark]
    path = "".join(f"M{x:.5g} {y:.5g}{shape}" for x, y in places)
    return (f'<path d="{path}" fill="{colour if filled else "none"}" stroke="{colour}" '
            'stroke-width="1.5"/>\n')


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.5g}" y="{y:.5g}" text-anchor="{anchor}"{more}>{escape(words)}</text>\n'


class Chart:
    """Two axes and what is drawn between them; left, top, width, height: between the axes."""

    def __init__(self, x, y, left=62, top=12, width=366, height=226, title="", grid="xy"):
        self.x, self.y = x, y
        self.left, self.top, self.width, self.height = left, top, width, height
        bottom, right = top + height, left + width
        lines, self.svg = "", ""
        for value, words in x.ticks:
            at = self.place(value, y.low)[0]
            lines += f"M{at:.5g} {bottom}V{top}" if "x" in grid else ""
            self.svg += text(at, bottom + 16, words)
        for value, words in y.ticks:
            at = self.place(x.low, value)[1]
            lines += f"M{left} {at:.5g}H{right}" if "y" in grid else ""
            for i, line in enumerate(words.split("\n")):
                shift = 4 + 14 * (i - words.count("\n") / 2)
                self.svg += text(left - 6, at + shift, line, "end")
        self.svg += (f'<path class="grid" d="{lines}" stroke="#8884"/>\n'
                     f'<path d="M{left} {top}V{bottom}H{right}" stroke="currentColor" '
                     'fill="none"/>\n')
        self.svg += text(left + width / 2, bottom + 34, x.label) if x.label else ""
        if y.label:
            at = left - 46, top + height / 2
            self.svg += text(*at, y.label, more=f' transform="rotate(-90 {at[0]:g} {at[1]:g})"')
        self.svg += text(left + width / 2, top - 8, title) if title else ""

    def place(self, x, y):
        return (self.left + self.x.part(x) * self.width,
                self.top + (1 - self.y.part(y)) * self.height)

    def series(self, points, colour, mark="dot", line=True):
        """Points of which a value is not known are left out."""
        places = [self.place(x, y) for x, y in points if x is not None and y is not None]
        if line and len(places) > 1:
            path = " ".join(f"{x:.5g},{y:.5g}" for x, y in places)
            self.svg += (f'<polyline points="{path}" fill="none" stroke="{colour}" '
                         'stroke-width="1.8"/>\n')
        if mark and places:
            self.svg += mark_path(places, mark, colour)

    def spans(self, pairs, colour):
        """A line for each pair of points."""
        ends = [(*self.place(*a), *self.place(*b)) for a, b in pairs]
        path = "".join(f"M{x:.5g} {y:.5g}L{u:.5g} {v:.5g}" for x, y, u, v in ends)
        self.svg += f'<path d="{path}" stroke="{colour}" stroke-width="1.5"/>\n'

    def bar(self, low, high, y, colour):
        (x, middle), (end, _) = self.place(low, y), self.place(high, y)
        self.svg += (f'<rect x="{x:.5g}" y="{middle - 11:.5g}" width="{end - x:.5g}" height="22" '
                     f'fill="{colour}"/>\n')

    def note(self, x, y, words):
        at = self.place(x, y)
        self.svg += text(at[0] + 7, at[1] - 5, words, "start", ' font-size="11"')


def picture(width, height, parts, style=""):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="sans-serif" font-size="12"{style}>\n'
            f'<g fill="currentColor">\n{"".join(parts)}</g></svg>')


# --- cells ---

SECTION = ("disk", "engine", "bs", "pause")
VARIANT = ("runner", "policy", "poll_max_ns", "idle_handlers", "ring")
CPU = "iothread_cpu_ns_per_request"
PERCENTS = ("1", "10", "25", "50", "75", "90", "95", "99", "99.5", "99.9", "99.95", "99.99")
STAGES = (("on the way to the device and back", "stage_guest_ns", "#9aa3ad"),
          ("until it is submitted", "stage_seen_to_submitted_ns", "#4dabf7"),
          ("in the host", "stage_submitted_to_completed_ns", "#f08c00"),
          ("until the guest can see it", "stage_completed_to_used_ns", "#51cf66"))


def key_of(cell, keys):
    return tuple(cell.get(key) for key in keys)


def figure_of(cell, name, unit=1.0):
    """A median; None if it is not known."""
    value = cell.get("median", {}).get(name)
    return None if value is None else value / unit


def time_text(ns):
    for unit, name in ((10**6, "ms"), (10**3, "us")):
        if ns % unit == 0:
            return f"{ns // unit}{name}"
    return f"{ns}ns"


def size_text(size):
    for unit, name in ((2**20, "M"), (2**10, "K")):
        if size % unit == 0:
            return f"{size // unit}{name}"
    return str(size)


def variant_name(cell):
    """As pollux bench prints it: "cost 200us", "qemu grow-shrink 200us", "block+1024/packed"."""
    name = [] if cell["runner"] == "pollux" else [cell["runner"]]
    name += [cell["policy"]] if cell.get("policy") else []
    more = f"+{cell['idle_handlers']}" if cell.get("idle_handlers") else ""
    more += "/packed" if cell.get("ring") == "packed" else ""
    cap = f" {time_text(cell['poll_max_ns'])}" if cell.get("poll_max_ns") else ""
    return " ".join(name) + more + cap


class Section:
    """Cells that differ in depth and variant only."""

    def __init__(self, cells):
        self.cells = cells
        keys = dict.fromkeys(key_of(c, VARIANT) for c in cells)
        self.variants = [[c for c in cells if key_of(c, VARIANT) == key] for key in keys]
        self.depths = list(dict.fromkeys(c["depth"] for c in cells))

    def name(self):
        disk, engine, bs, pause = key_of(self.cells[0], SECTION)
        return f"{disk}, {engine}, {size_text(bs)}" + ("" if pause == "0" else f", pause {pause}")

    def at(self, depth):
        """Pairs of colour and cell."""
        return [(colour(i), c) for i, cells in enumerate(self.variants) for c in cells
                if c["depth"] == depth]


def colour(i):
    return COLOURS[i % len(COLOURS)]


# --- figures of a section; None where the cells do not have what it takes ---

def iops_chart(section):
    runs = {id(c): [run["iops"] for run in c["runs"] if run.get("iops")] for c in section.cells}
    if len(section.depths) < 2 or not any(runs.values()):
        return None
    x = Axis(min(section.depths) / 1.25, max(section.depths) * 1.25,
             [(d, str(d)) for d in section.depths], "depth", True)
    chart = Chart(x, Axis.of(sum(runs.values(), []), "IOPS"), grid="y")
    for i, cells in enumerate(section.variants):
        known = [c for c in cells if runs[id(c)]]
        chart.spans([((c["depth"], min(runs[id(c)])), (c["depth"], max(runs[id(c)])))
                     for c in known], colour(i))
        chart.series([(c["depth"], figure_of(c, "iops")) for c in known], colour(i))
    return chart


def cpu_chart(section):
    points = [[(figure_of(c, "lat_mean_ns", 1e3), figure_of(c, CPU, 1e3), c["depth"])
               for c in cells if figure_of(c, "lat_mean_ns") and figure_of(c, CPU)]
              for cells in section.variants]
    known = sum(points, [])
    if not known:
        return None
    chart = Chart(Axis.of([p[0] for p in known], "mean latency, us"),
                  Axis.of([p[1] for p in known], "CPU per request, us"))
    for i, of_variant in enumerate(points):
        chart.series([p[:2] for p in of_variant], colour(i))
        for x, y, depth in of_variant:
            chart.note(x, y, str(depth))
    return chart


def latency_chart(section, depth):
    lines = [(rgb, [(-math.log10(1 - float(p) / 100), figure_of(c, f"lat_p{p}_ns", 1e3))
                    for p in PERCENTS]) for rgb, c in section.at(depth)]
    known = [y for _, points in lines for _, y in points if y]
    if not known:
        return None
    ticks = [(0, "0"), (math.log10(2), "50"), (1, "90"), (2, "99"), (3, "99.9"), (4, "99.99")]
    chart = Chart(Axis(0, 4.1, ticks, "percent of requests"), Axis.of(known, "latency, us"))
    for rgb, points in lines:
        chart.series(points, rgb, mark=None)
    return chart


def stages_chart(section, depth):
    """Shares of the mean latency, since that of one variant may be a hundred times another's."""
    rows = []
    for _, cell in section.at(depth):
        parts = [figure_of(cell, name) or 0 for _, name, _ in STAGES]
        if sum(parts) > 0:
            rows.append((f"{variant_name(cell)}\n{sum(parts) / 1e3:.3g} us", parts))
    if not rows:
        return None
    chart = Chart(Axis(0, 100, [(p, str(p)) for p in range(0, 101, 20)],
                       "percent of the mean latency"),
                  Axis(len(rows) - 0.5, -0.5, [(i, name) for i, (name, _) in enumerate(rows)]),
                  left=164, width=262, height=max(226, 40 * len(rows)), grid="x")
    for i, (_, parts) in enumerate(rows):
        for k, part in enumerate(parts):
            ends = [100 * sum(parts[:n]) / sum(parts) for n in (k, k + 1)]
            chart.bar(*ends, i, STAGES[k][2])
    return chart


# --- the page ---

STYLE = """:root{color-scheme:light dark;--ink:#1d2228;--soft:#5c6670;--line:#d8dde2;--page:#fff;--card:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#dfe3e7;--soft:#98a2ac;--line:#3a424a;--page:#14181c;--card:#1c2126}}
body{margin:0 auto;padding:1.5rem;max-width:76rem;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0 0 .3rem}
h2{font-size:1.2rem;margin:2.5rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--line)}
p{margin:.4rem 0;color:var(--soft)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.5rem 0;padding:0;list-style:none;font-size:.9rem}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px}
.plots{display:grid;gap:1rem;grid-template-columns:1fr 1fr}
@media(max-width:40rem){.plots{grid-template-columns:1fr}}
figure{margin:0;padding:.8rem;background:var(--card);border:1px solid var(--line);border-radius:6px}
figcaption{font-size:.85rem;color:var(--soft)}
figcaption b{display:block;font-size:1rem;color:var(--ink)}
svg{display:block;width:100%;height:auto}
.wide{overflow-x:auto;margin-top:1rem}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;white-space:nowrap}
td,th{padding:.15rem .6rem;text-align:right;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--soft)}td:nth-child(2),th:nth-child(2){text-align:left}
"""

COLUMNS = (("IOPS", "iops", 1, 0), ("MB/s", "mb_per_s", 1, 1), ("mean us", "lat_mean_ns", 1e3, 2),
           ("p50 us", "lat_p50_ns", 1e3, 2), ("p99 us", "lat_p99_ns", 1e3, 2),
           ("p99.99 us", "lat_p99.99_ns", 1e3, 1), ("CPU us", CPU, 1e3, 2),
           ("vCPU us", "vcpu_cpu_ns_per_request", 1e3, 2), ("kicks", "kicks_per_request", 1, 3))

FOOT = ("us is per request: mean, p50, p99 and p99.99 of latency, CPU time of the I/O thread and of "
        "the guest's processor. The last column is the ratio to the blocking I/O thread, taken "
        "within each turn of the variants. ~ marks cells in which the host was busy with something "
        "else in most runs.")


def legend(entries):
    items = "".join(f'<li><i style="background:{rgb}"></i>{escape(name)}</li>\n'
                    for rgb, name in entries)
    return f'<ul class="legend">\n{items}</ul>\n'


def figures(section):
    """Triples of title, caption and chart."""
    yield ("IOPS against depth", "Medians; bars from the slowest to the fastest run.",
           iops_chart(section))
    yield ("CPU against latency",
           "CPU of the I/O thread. Left and low is good; numbers are depths.", cpu_chart(section))
    for depth in section.depths[:4]:
        yield (f"Latency distribution, depth {depth}",
               "So many percent of the requests took no longer.", latency_chart(section, depth))
        yield (f"Where the time goes, depth {depth}", "Shares of the mean latency.",
               stages_chart(section, depth))


def table_row(cell):
    name = ("~ " if cell.get("noisy") else "") + variant_name(cell)
    row = [str(cell["depth"]), escape(name)]
    for _, figure, unit, decimals in COLUMNS:
        value = figure_of(cell, figure, unit)
        row.append("" if value is None else f"{value:.{decimals}f}")
    ratio = cell.get("iops_to_block")
    return row + [f"{ratio['median']:.2f}" if ratio else ""]


def table(section):
    head = ["depth", "policy", *(c[0] for c in COLUMNS), "IOPS to block"]
    rows = ["".join(f"<th>{h}</th>" for h in head)]
    rows += ["".join(f"<td>{v}</td>" for v in table_row(c)) for c in section.cells]
    lines = "".join(f"<tr>{row}</tr>\n" for row in rows)
    return f'<div class="wide"><table>\n{lines}</table></div>\n'


def section_html(section):
    out = f"<h2>{escape(section.name())}</h2>\n"
    out += legend((colour(i), variant_name(cells[0])) for i, cells in enumerate(section.variants))
    out += '<div class="plots">\n'
    for title, caption, chart in figures(section):
        if chart:
            svg = picture(440, chart.top + chart.height + 46, [chart.svg])
            out += f"<figure>\n<figcaption><b>{title}</b>{caption}</figcaption>\n{svg}\n"
            out += legend((rgb, name) for name, _, rgb in STAGES) if "Where" in title else ""
            out += "</figure>\n"
    return f"{out}</div>\n{table(section)}"


def head(result):
    host, work = result.get("host", {}), result.get("workload", {})
    first = (f"{host.get('processor')}, {host.get('processors')} processors, {host.get('system')}, "
             f"Linux {host.get('kernel')}, KVM: {host.get('kvm')}. Pollux {result.get('pollux')}, "
             f"{result.get('date')}. Up to {result.get('runs_planned')} runs of "
             f"{work.get('run_seconds', 0):g} s each.")
    order = "sequential" if work.get("order") == "seq" else "random"
    wait = "interrupts" if work.get("wait") == "irq" else "polling"
    second = (f"Requests: {work.get('rw')}, {order} order; the guest waits by {wait}; cache: "
              f"{work.get('cache')}; disks: {work.get('disks')}, queues of each: "
              f"{work.get('queues')}.")
    second += f" A flush after every {work['fsync']} writes." if work.get("fsync") else ""
    early = "" if result.get("complete") else " <b>It ended early: this is what was complete.</b>"
    return f"<h1>pollux bench</h1>\n<p>{escape(first)}</p>\n<p>{escape(second)}{early}</p>\n"


def page(result):
    groups = {}
    for cell in result["cells"]:
        groups.setdefault(key_of(cell, SECTION), []).append(cell)
    sections = "".join(section_html(Section(cells)) for cells in groups.values())
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width">\n<title>pollux bench</title>\n'
            f"<style>\n{STYLE}</style>\n</head>\n<body>\n{head(result)}{sections}<p>{FOOT}</p>\n"
            "</body>\n</html>\n")


if __name__ == "__main__":
    sys.tracebacklimit = 0  # pollux shows one line
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.buffer.write(page(json.load(file)).encode())
