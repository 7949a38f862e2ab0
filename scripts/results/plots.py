# SPDX-License-Identifier: MIT
"""Pictures in docs/results/, by gnuplot."""
import math
import subprocess

from cells import CAPS, CPU, IOPS, KEPT, LATENCY, PAUSES, POLICIES, median, pause_cells, places

COLOURS = {"block": "#868e96", "grow-shrink": "#e8590c", "weighted": "#1c7ed6", "cost": "#2f9e44"}
DOT, RING, CROSS, SQUARE, TRIANGLE = 7, 6, 2, 4, 8  # gnuplot's point types
WIDTH, LEGEND_COLUMNS, LEGEND_LINE = 860, 4, 22


class Plot:
    def __init__(self, name, height, legend):
        """legend: (text, colour, point type) of each series, in columns above the rest."""
        self.data, self.blocks = "", 0
        self.script = (
            f"set terminal svg size {WIDTH},{height} fixed background rgb 'white' "
            f"font 'sans-serif,13'\nset output '{KEPT / name}.svg'\nset encoding utf8\n"
            "set termoption noenhanced\nset border 3 lw 0.8\nunset key\nset xtics nomirror\n"
            "set ytics nomirror\n")
        for i, (text, colour, mark) in enumerate(legend):
            x = 0.06 + i % LEGEND_COLUMNS / LEGEND_COLUMNS * 0.95
            y = 1 - (i // LEGEND_COLUMNS + 0.8) * LEGEND_LINE / height
            self.script += (f"set label {i + 1} '{text}' at screen {x},{y} point pt {mark} lw 1.5 "
                            f"lc rgb '{colour}' offset 1.2,0.1\n")

    def add(self, text):
        self.script += text

    def block(self, rows):
        """Return: the name of a block of data. gnuplot takes no empty ones."""
        self.blocks += 1
        self.data += f"$d{self.blocks} << EOD\n" + "".join(
            " ".join(f"{v:g}" for v in row) + "\n" for row in rows or [[math.nan] * 4]) + "EOD\n"
        return f"$d{self.blocks}"

    def end(self):
        subprocess.run(["gnuplot"], input=self.data + self.script, check=True, text=True)


def plot_iops(all_places):
    """A row for each place. The mark is the median, the line goes over all runs."""
    series = [("QEMU, blocking", "#f08c00", RING, lambda p: p.qemu["blocking"]),
              ("Pollux, blocking", "#2f9e44", RING, lambda p: p.ours["blocking"]),
              ("QEMU, polling", "#f08c00", DOT, lambda p: p.qemu["polling"]),
              ("Pollux, polling", "#2f9e44", DOT, lambda p: p.ours["polling"]),
              ("host: bare loop", "#111111", CROSS, lambda p: p.host.get("bare")),
              ("host: fio", "#1c7ed6", SQUARE, lambda p: p.host.get("fio")),
              ("host: pread", "#ae3ec9", TRIANGLE, lambda p: p.host.get("pread"))]
    last = len(all_places) - 1
    plot = Plot("iops", 110 + 56 * len(all_places), [s[:3] for s in series])
    plots = []
    for i, (_, colour, mark, pick) in enumerate(series):
        rows = []
        for y, cell in enumerate(map(pick, all_places)):
            runs = [run[IOPS] for run in cell["runs"]] if cell else []
            if cell:
                rows.append([median(cell, IOPS), y + (i - 3) * 0.11, min(runs), max(runs)])
        plots.append(f"{plot.block(rows)} using 1:2:3:4 with xerrorbars lw 1.5 pt {mark} ps 0.8 "
                     f"lc rgb '{colour}'")
    for y in range(last):
        plot.add(f"set arrow from graph 0, first {y + 0.5} to graph 1, first {y + 0.5} nohead "
                 "lc rgb '#bbbbbb'\n")
    tics = ", ".join(f"'{p.name}' {y}" for y, p in enumerate(all_places))
    plot.add(f"""set tmargin 4
set errorbars small
set logscale x
set format x '%.0s%c'
set xlabel 'IOPS'
set grid xtics lc rgb '#dddddd'
set ytics ({tics}) scale 0
set yrange [{last + 0.5}:-0.5]
plot {', '.join(plots)}
""")
    plot.end()


def plot_pauses(kept):
    """Latency above CPU, a column for each cap."""
    plot = Plot("pauses", 640, [(policy, COLOURS[policy], DOT) for policy in POLICIES])
    tics = ", ".join(f"'{p}' {x}" for x, p in enumerate(PAUSES))
    plot.add(f"""set logscale y
set xtics ({tics})
set xrange [-0.2:{len(PAUSES) - 0.8}]
set xlabel 'pause between requests'
set grid ytics lc rgb '#dddddd'
set multiplot layout 2,2 margins 0.08,0.98,0.09,0.9 spacing 0.11,0.18
""")
    for key, label in ((LATENCY, "latency, us"), (CPU, "CPU per request, us")):
        for cap in CAPS:
            plots = []
            for policy in POLICIES:
                rows = [[x, median(pause_cells(kept, pause, cap)[policy], key) / 1000]
                        for x, pause in enumerate(PAUSES)]
                plots.append(f"{plot.block(rows)} using 1:2 with linespoints lw 1.8 pt {DOT} "
                             f"ps 0.6 lc rgb '{COLOURS[policy]}'")
            plot.add(f"set title 'cap {cap} ns'\nset ylabel '{label}'\nplot {', '.join(plots)}\n")
            plot.add("".join(f"unset label {i + 1}\n" for i in range(len(POLICIES))))
    plot.end()


def tic_step(most):
    """1, 2 or 5 times a power of ten; three to seven of them."""
    unit = 10 ** math.floor(math.log10(most / 3))
    return unit * max(n for n in (1, 2, 5) if n * unit <= most / 3)


def plot_pareto(kept):
    """CPU against latency, a panel for each pause."""
    variants = [("block", CAPS[0], CROSS)]
    variants += [(p, cap, mark) for cap, mark in zip(CAPS, (RING, DOT)) for p in POLICIES[1:]]
    legend = [(p if p == "block" else f"{p}, cap {cap} ns", COLOURS[p], mark)
              for p, cap, mark in variants]
    plot = Plot("pareto", 580, legend)
    plot.add("""set xlabel 'latency, us'
set ylabel 'CPU per request, us'
set grid xtics ytics lc rgb '#dddddd'
set multiplot layout 2,3 margins 0.07,0.98,0.1,0.84 spacing 0.09,0.2
""")
    for pause in PAUSES[1:]:
        points = [[median(pause_cells(kept, pause, cap)[p], key) / 1000 for key in (LATENCY, CPU)]
                  for p, cap, _ in variants]
        for axis, values in zip("xy", zip(*points)):
            plot.add(f"set {axis}range [0:{max(values) * 1.15:g}]\n"
                     f"set {axis}tics {tic_step(max(values)):g}\n")
        plots = [f"{plot.block([point])} using 1:2 with points pt {mark} ps 1.1 lw 1.8 "
                 f"lc rgb '{colour}'" for point, (_, colour, mark) in zip(points, legend)]
        plot.add(f"set title 'pause {pause}'\nplot {', '.join(plots)}\n")
        plot.add("".join(f"unset label {i + 1}\n" for i in range(len(legend))))
    plot.end()


def plot_all(kept):
    plot_iops(places(kept))
    plot_pauses(kept)
    plot_pareto(kept)
