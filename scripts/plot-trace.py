#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draw a piece of a trace file, as pollux --trace writes it, as SVG.

One panel for each process of the file, that is for each machine, all at one scale: the vCPUs, the
I/O threads with what they did, and the requests with the time that each was in the engine.
"""
import argparse
import json
from html import escape

WIDTH, MARGIN, LANE, GAP = 1000, 130, 26, 8
COLOURS = {
    "poll: hit": "#4daf7c", "poll: miss": "#e8a33d", "blocked": "#c9ced6",
    "submit": "#8250c4", "end of turn": "#b79be0", "guest": "#dbe7f5",
}
HANDLER, VCPU_EXIT, REQUEST, ENGINE = "#3b73b9", "#d9534f", "#9fc3e8", "#8250c4"


class Process:
    def __init__(self):
        self.name = ""
        self.threads = {}
        self.slices = []    # (tid, depth, begin, end, name)
        self.requests = []  # (begin, end, [(begin, end, name)])
        self.interrupts = []


def load(path):
    processes = {}
    open_slices, open_requests = {}, {}
    with open(path, encoding="utf-8") as f:
        events = json.load(f)["traceEvents"]
    for e in events:
        p = processes.setdefault(e["pid"], Process())
        phase, tid, ts = e["ph"], e["tid"], e.get("ts")
        if phase == "M" and e["name"] == "process_name":
            p.name = e["args"]["name"]
        elif phase == "M" and e["name"] == "thread_name":
            p.threads[tid] = e["args"]["name"]
        elif phase == "B":
            open_slices.setdefault(tid, []).append((ts, e["name"]))
        elif phase == "E":
            begin, name = open_slices[tid].pop()
            p.slices.append((tid, len(open_slices[tid]), begin, ts, name))
        elif phase == "b":
            open_requests.setdefault(e["id"], []).append([ts, e["name"], []])
        elif phase == "e":
            begin, name, inner = open_requests[e["id"]].pop()
            if open_requests[e["id"]]:
                open_requests[e["id"]][-1][2].append((begin, ts, name))
            else:
                p.requests.append((begin, ts, inner))
        elif phase == "i" and e["name"] == "interrupt":
            p.interrupts.append((tid, ts))
    return [p for _, p in sorted(processes.items()) if p.requests]


def colour(process, tid, name):
    if name in COLOURS:
        return COLOURS[name]
    return VCPU_EXIT if process.threads[tid].startswith("vcpu") else HANDLER


class Svg:
    def __init__(self, start, span):
        self.parts, self.start, self.span = [], start, span

    def x(self, ts):
        inside = min(max(ts - self.start, 0), self.span)
        return MARGIN + (WIDTH - MARGIN - 20) * inside / self.span

    def text(self, x, y, s, size=12, anchor="start", fill="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
                          f'text-anchor="{anchor}" fill="{fill}">{escape(s)}</text>')

    def bar(self, begin, end, y, height, fill, title):
        if end < self.start or begin > self.start + self.span:
            return
        x, width = self.x(begin), max(self.x(end) - self.x(begin), 0.6)
        self.parts.append(f'<rect x="{x:.2f}" y="{y:.1f}" width="{width:.2f}" height="{height}" '
                          f'fill="{fill}"><title>{escape(title)}</title></rect>')
        if width > 7 * len(title) + 6:
            self.text(x + width / 2, y + height / 2 + 4, title, 11, "middle")

    def line(self, x1, y1, x2, y2, stroke="#888"):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{stroke}"/>')


def draw(process, span, y, parts):
    """Return: the y below the panel."""
    requests = sorted(process.requests)
    svg = Svg(requests[len(requests) // 2][0] - span * 0.02, span)
    svg.text(10, y + 16, process.name, 14)
    y += 28
    used = {tid for tid, _, begin, end, _ in process.slices
            if end >= svg.start and begin <= svg.start + span}
    for tid in sorted(used, key=lambda t: (not process.threads[t].startswith("vcpu"), t)):
        svg.text(10, y + 17, process.threads[tid])
        for t, depth, begin, end, name in sorted(process.slices, key=lambda s: s[1]):
            if t == tid:
                svg.bar(begin, end, y + 4 * depth, LANE - 8 * depth, colour(process, tid, name),
                        name)
        for t, ts in process.interrupts:
            if t == tid and svg.start <= ts <= svg.start + span:
                svg.line(svg.x(ts), y - 4, svg.x(ts), y + LANE + 4, "#d9534f")
        y += LANE + GAP
    svg.text(10, y + 17, "requests")
    lanes = []
    for begin, end, inner in requests:
        if end < svg.start or begin > svg.start + span:
            continue
        lane = next((i for i, free in enumerate(lanes) if free <= begin), len(lanes))
        lanes[lane:lane + 1] = [end]
        svg.bar(begin, end, y + lane * 16, 14, REQUEST, "request")
        for b, e, name in inner:
            svg.bar(b, e, y + lane * 16 + 4, 6, ENGINE, name)
    y += max(len(lanes), 1) * 16 + GAP
    svg.line(MARGIN, y, WIDTH - 20, y)
    for i in range(11):
        x = svg.x(svg.start + span * i / 10)
        svg.line(x, y, x, y + 4)
        svg.text(x, y + 16, f"{span * i / 10:.0f}", 11, "middle", "#555")
    svg.text(10, y + 16, "us", 11, fill="#555")
    parts += svg.parts
    return y + 34


def legend(y, parts):
    svg, x = Svg(0, 1), 10
    for name, fill in [("poll: hit", COLOURS["poll: hit"]), ("poll: miss", COLOURS["poll: miss"]),
                       ("blocked", COLOURS["blocked"]), ("handler", HANDLER),
                       ("end of turn", COLOURS["end of turn"]),
                       ("submit; in the engine", COLOURS["submit"]),
                       ("vCPU in user space", VCPU_EXIT), ("request", REQUEST)]:
        svg.parts.append(f'<rect x="{x}" y="{y}" width="14" height="12" fill="{fill}"/>')
        svg.text(x + 19, y + 11, name, 12)
        x += 34 + 7 * len(name)
    parts += svg.parts
    return y + 24


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("trace")
    parser.add_argument("svg")
    parser.add_argument("--span", type=float, default=200, help="microseconds to show; default 200")
    args = parser.parse_args()
    parts, y = [], 10
    for process in load(args.trace):
        y = draw(process, args.span, y, parts)
    y = legend(y, parts)
    with open(args.svg, "w", encoding="utf-8") as f:
        f.write('<!-- SPDX-License-Identifier: MIT -->\n'
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
                f'font-family="sans-serif">\n<rect width="{WIDTH}" height="{y}" fill="white"/>\n')
        f.write("\n".join(parts))
        f.write("\n</svg>\n")


if __name__ == "__main__":
    main()
