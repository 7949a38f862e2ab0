#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure, and write docs/results.md from that. `make results` does both.

python3 scripts/results measure   runs pollux bench, for a quarter of an hour, and keeps its
                                  figures in docs/results/ if that came to its end
python3 scripts/results write     makes docs/results.md, its pictures and two places of README.md

For a quick look, environment: RESULTS_RUNS (turns) and RESULTS_TIME (seconds of a run) replace what
measure.py sets; POLLUX is the program to measure.
"""
import sys

import cells
import measure
import page
import plots


def write():
    kept = cells.load()
    plots.plot_all(kept)
    page.write_all(kept)


if __name__ == "__main__":
    steps = {"measure": [measure.measure], "write": [write]}
    for step in steps.get("".join(sys.argv[1:]), [measure.measure, write]):
        try:
            step()
        except KeyboardInterrupt:
            sys.exit("results: interrupted; nothing is written")
