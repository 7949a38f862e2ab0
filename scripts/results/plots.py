# SPDX-License-Identifier: MIT
"""Pictures in docs/results/, with the charts of bench/report.py."""
import sys

from cells import (CAPS, CPU, IOPS, KEPT, LATENCY, PAUSES, POLICIES, ROOT, median, pause_cells,
                   places)

sys.path.insert(0, str(ROOT / "bench"))
from report import Axis, Chart, mark_path, picture, text  # noqa: E402

COLOURS = {"block": "#868e96", "grow-shrink": "#e8590c", "weighted": "#1c7ed6", "cost": "#2f9e44"}
WIDTH, LEGEND_COLUMNS, LEGEND_LINE = 860, 4, 22


def save(name, height, legend, charts):
    """legend: text, colour and mark of each series, in columns above the charts."""
    parts = []
    for i, (words, colour, mark) in enumerate(legend):
        x = 40 + i % LEGEND_COLUMNS * WIDTH / LEGEND_COLUMNS
        y = (i // LEGEND_COLUMNS + 0.8) * LEGEND_LINE
        parts += [mark_path([(x, y)], mark, colour), text(x + 12, y + 4, words, "start")]
    svg = picture(WIDTH, height, parts + [c.svg.replace("\n", "") + "\n" for c in charts],
                  ' style="background:#fff;color:#222"')
    (KEPT / f"{name}.svg").write_text(svg + "\n", encoding="utf-8")


def plot_iops(all_places):
    """A row for each place. The mark is the median, the line goes over all runs."""
    series = [("QEMU, blocking", "#f08c00", "ring", lambda p: p.qemu["blocking"]),
              ("Pollux, blocking", "#2f9e44", "ring", lambda p: p.ours["blocking"]),
              ("QEMU, polling", "#f08c00", "dot", lambda p: p.qemu["polling"]),
              ("Pollux, polling", "#2f9e44", "dot", lambda p: p.ours["polling"]),
              ("host: spin device", "#111111", "cross", lambda p: p.host.get("spin")),
              ("host: fio", "#1c7ed6", "square", lambda p: p.host.get("fio")),
              ("host: pread", "#ae3ec9", "triangle", lambda p: p.host.get("pread"))]
    rows = len(all_places)
    cells = [[(y + (i - 3) * 0.11, pick(p)) for y, p in enumerate(all_places) if pick(p)]
             for i, (*_, pick) in enumerate(series)]
    chart = Chart(Axis.of([r[IOPS] for s in cells for _, c in s for r in c["runs"]], "IOPS"),
                  Axis(rows - 0.5, -0.5, [(y, p.name) for y, p in enumerate(all_places)]),
                  left=256, top=60, width=576, height=54 * rows, grid="x")
    chart.spans([((chart.x.low, y + 0.5), (chart.x.high, y + 0.5)) for y in range(rows - 1)],
                "#bbbbbb")
    for (_, colour, mark, _), places_of in zip(series, cells):
        chart.spans([((min(runs), y), (max(runs), y)) for y, runs in
                     ((y, [run[IOPS] for run in c["runs"]]) for y, c in places_of)], colour)
        chart.series([(median(c, IOPS), y) for y, c in places_of], colour, mark, line=False)
    save("iops", 110 + 54 * rows, [s[:3] for s in series], [chart])


def plot_pauses(kept):
    """Latency above CPU, a column for each cap."""
    charts = []
    x = Axis(-0.2, len(PAUSES) - 0.8, list(enumerate(PAUSES)), "pause between requests")
    for row, (key, label) in enumerate(((LATENCY, "latency, us"), (CPU, "CPU per request, us"))):
        for column, cap in enumerate(CAPS):
            lines = {p: [median(pause_cells(kept, pause, cap)[p], key) / 1000 for pause in PAUSES]
                     for p in POLICIES}
            charts.append(Chart(x, Axis.of(sum(lines.values(), []), label), title=f"cap {cap} ns",
                                left=64 + 428 * column, top=56 + 300 * row, width=350, height=220,
                                grid="y"))
            for policy, line in lines.items():
                charts[-1].series(list(enumerate(line)), COLOURS[policy])
    save("pauses", 630, [(policy, COLOURS[policy], "dot") for policy in POLICIES], charts)


def plot_pareto(kept):
    """CPU against latency, a panel for each pause."""
    variants = [("block", CAPS[0], "cross")]
    variants += [(p, cap, mark) for cap, mark in zip(CAPS, ("ring", "dot")) for p in POLICIES[1:]]
    legend = [(p if p == "block" else f"{p}, cap {cap} ns", COLOURS[p], mark)
              for p, cap, mark in variants]
    charts = []
    for i, pause in enumerate(PAUSES[1:]):
        points = [[median(pause_cells(kept, pause, cap)[p], key) / 1000 for key in (LATENCY, CPU)]
                  for p, cap, _ in variants]
        charts.append(Chart(Axis.from_zero([p[0] for p in points], "latency, us"),
                            Axis.from_zero([p[1] for p in points], "CPU per request, us"),
                            title=f"pause {pause}", left=62 + 284 * (i % 3),
                            top=80 + 265 * (i // 3), width=220, height=180))
        for point, (_, colour, mark) in zip(points, legend):
            charts[-1].series([point], colour, mark)
    save("pareto", 580, legend, charts)


def plot_all(kept):
    plot_iops(places(kept))
    plot_pauses(kept)
    plot_pareto(kept)
