# SPDX-License-Identifier: MIT
"""The kept results: their cells, ratios of cells, and numbers as text."""
import json
import math
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = ROOT / "docs" / "results"
NAMES = ["main", "io_uring", "io_uring-cached", "pauses", "idle", "merge-off", "merge-on"]

# Of each run these are kept.
IOPS, LATENCY, P99, CPU = RUN_KEYS = ("iops", "lat_mean_ns", "lat_p99_ns",
                                      "iothread_cpu_ns_per_request")

PAUSES = ["0", "10us", "25us", "50us", "100us", "300us", "1ms"]
CAPS = [32768, 200000]
POLICIES = ["block", "grow-shrink", "weighted", "cost"]
DISKS = {"-": "no I/O", "memory": "file in memory", "disk": "file on disk",
         "cached": "file in the page cache"}


def load():
    return {name: json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}


def find(result, **keys):
    """The cells that have these values."""
    return [c for c in result["cells"] if all(c[k] == v for k, v in keys.items())]


def only(result, **keys):
    cells = find(result, **keys)
    if len(cells) != 1:
        sys.exit(f"results: {len(cells)} cells have {keys}")
    return cells[0]


def median(cell, key):
    return cell["median"].get(key)


class Ratio:
    """Of two cells, taken within each turn: the median and where it lies with 95 %.

    By order statistics: the k-th from either end bound it with 1 - 2 P(fewer than k of n coins)."""

    def __init__(self, cell, to, key=IOPS):
        pairs = zip(cell["runs"], to["runs"])
        values = sorted(a[key] / b[key] for a, b in pairs if a.get(key) and b.get(key))
        n, k = len(values), 0
        while 1 - 2 * sum(math.comb(n, i) for i in range(k + 2)) / 2**n >= 0.95:
            k += 1
        self.known = n > 0
        self.median = statistics.median(values) if values else math.nan
        self.low, self.high = (values[k], values[n - 1 - k]) if values else (math.nan, math.nan)

    def __str__(self):
        if not self.known:
            return "-"
        return f"{times(self.median)} ({times(self.low)}-{times(self.high)})"


def digits(value, n=3):
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:.{max(0, n - 1 - math.floor(math.log10(abs(value))))}f}"


def times(ratio):
    return f"{ratio:.2f}" if ratio < 10 else digits(ratio)


class Place:
    """A disk, an engine and a depth, with all that was measured there."""

    def __init__(self, result, disk, engine, depth):
        cells = find(result, disk=disk, engine=engine, depth=depth)
        self.disk, self.engine, self.depth = disk, engine, depth
        self.name = f"{DISKS[disk]}, {'' if engine == 'null' else engine + ', '}depth {depth}"
        self.pollux = {c["policy"]: c for c in cells if c["runner"] == "pollux"}
        self.host = {c["runner"]: c for c in cells if c["policy"] is None}
        qemu = [c for c in cells if c["runner"] == "qemu"]
        self.qemu = {
            "blocking": next(c for c in qemu if not c["poll_max_ns"]),
            "polling": max((c for c in qemu if c["poll_max_ns"]), key=lambda c: median(c, IOPS))}
        self.ours = {"blocking": self.pollux["block"], "polling": self.pollux["cost"]}


def places(kept):
    found = [Place(kept["main"], disk, engine, depth)
             for disk, engine in (("-", "null"), ("memory", "mmap"), ("memory", "linux-aio"),
                                  ("disk", "linux-aio")) for depth in (1, 32)]
    return found + [Place(kept["io_uring-cached"], "cached", "io_uring", 32),
                    Place(kept["io_uring"], "disk", "io_uring", 32)]


def pause_cells(kept, pause, cap):
    """By policy."""
    return {policy: only(kept["pauses"], pause=pause, policy=policy,
                         poll_max_ns=0 if policy == "block" else cap) for policy in POLICIES}
