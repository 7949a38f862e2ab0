#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Find circles of includes between the modules of a room.

A module is a source and the header of the same name, in one folder. A circle is a set of modules
each of which includes, over one or more steps, every other. Prints each circle on a line; ends
with 1 if there is one that is not in ALLOWED, or if a circle of ALLOWED is no longer there.
"""
import os
import re
import sys

ROOMS = ["base", "trace", "aio", "engine", "iothread", "virtq", "blk", "vhost", "kvm", "control", "sandbox", "cli", "bench"]

# Circles that stay, each with its reason in docs/architecture.md: sets of modules.
ALLOWED = [["trace/trace", "trace/track"]]

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def modules(room):
    """The includes of each module of @room: {module: {module, ...}}."""
    graph = {}
    for folder, _, names in os.walk(room):
        for name in names:
            if name.endswith((".c", ".h")):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as f:
                    included = {os.path.splitext(i)[0] for i in INCLUDE.findall(f.read())}
                graph.setdefault(os.path.splitext(path)[0], set()).update(included)
    for module, included in graph.items():
        included.intersection_update(graph)
        included.discard(module)
    return graph


def reachable(graph, start):
    """The modules that @start includes, over one or more steps."""
    seen, todo = set(), list(graph[start])
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo.extend(graph[module])
    return seen


def circles(graph):
    """Sorted lists of modules: the strongly connected components with more than one."""
    reach = {module: reachable(graph, module) for module in graph}
    found = {tuple(sorted(other for other in reach[m] if m in reach[other]))
             for m in graph if m in reach[m]}
    return [list(circle) for circle in sorted(found)]


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    allowed = [sorted(circle) for circle in ALLOWED]
    bad = 0
    for room in ROOMS:
        for circle in circles(modules(room)):
            if circle in allowed:
                allowed.remove(circle)
                continue
            print(f"{room}: a circle of includes: {' '.join(circle)}")
            bad = 1
    for circle in allowed:
        print(f"a circle of ALLOWED is gone, remove its line: {' '.join(circle)}")
        bad = 1
    return bad


sys.exit(main())
