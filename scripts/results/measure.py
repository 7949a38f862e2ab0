# SPDX-License-Identifier: MIT
"""Run pollux bench; keep its figures in docs/results/."""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cells import CAPS, KEPT, PAUSES, POLICIES, ROOT, RUN_KEYS

POLLUX = os.environ.get("POLLUX", str(ROOT / "build" / "pollux"))

# What the medians are kept without.
MEDIANS_DROPPED = re.compile(r"lat_(max|p(1|10|25|75|90|95|99\.5|99\.95))_ns|mb_per_s")


def turns(usual):
    return int(os.environ.get("RESULTS_RUNS", usual))


def bench(runs, seconds, *args, quiet=False):
    """Return: what pollux bench prints."""
    command = [POLLUX, "bench", "--runs", str(runs), "--time",
               os.environ.get("RESULTS_TIME", str(seconds)), *args]
    if not quiet:
        print("pollux", *command[1:], flush=True)
    ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        sys.exit("results: pollux bench failed; nothing is written")
    return ended.stdout


def bench_json(runs, seconds, *args, **more):
    result = json.loads(bench(runs, seconds, "--json", *args, **more))
    if not result["complete"]:
        sys.exit("results: pollux bench was interrupted; nothing is written")
    return result


def scratch(directory):
    """A file of 256 MiB, as pollux bench makes them itself; gone when it is closed."""
    file = tempfile.NamedTemporaryFile(dir=directory, prefix="pollux-results-")
    chunk = os.urandom(1 << 20)
    for _ in range(256):
        file.write(chunk)
    file.flush()
    os.fsync(file.fileno())
    return file


def merging(nr_turns, seconds):
    """Merging is not a variant of a cell: its two results take turns here."""
    results = {}
    with scratch(ROOT / "build") as file:
        print("sequential reads with and without merging", flush=True)
        for _ in range(nr_turns):
            for merge in ("off", "on"):
                turn = bench_json(1, seconds, "--engine", "linux-aio", "--disk", file.name,
                                  "--order", "seq", "--depth", "32", "--policy", "block,cost",
                                  "--merge", merge, quiet=True)
                all_turns = results.setdefault(merge, turn)
                for cell, new in zip(all_turns["cells"], turn["cells"]):
                    if new is not cell:
                        cell["runs"] += new["runs"]
    for result in results.values():
        result["runs_planned"] = nr_turns
        for cell in result["cells"]:
            cell["median"] = {key: statistics.median(run.get(key, 0) for run in cell["runs"])
                              for key in cell["median"]}
            cell["noisy"] = sum(run["noisy"] for run in cell["runs"]) > nr_turns / 2
    return results


def disk_name():
    """What the scratch files on disk are on: file system, device and its size."""
    fields = subprocess.run(["findmnt", "-no", "FSTYPE,SOURCE", "-T", str(ROOT)], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.split()
    device = Path("/sys/class/block") / Path(fields[1]).name
    if not device.exists():
        return fields[0]
    size = int((device / "size").read_text()) * 512 / 2**30
    return f"{fields[0]} on {device.name} ({size:.0f} GiB)"


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def dump(result):
    """A line for each key and each cell."""
    for cell in result["cells"]:
        cell["runs"] = [{k: run[k] for k in RUN_KEYS if k in run} for run in cell["runs"]]
        cell["median"] = {k: v for k, v in cell["median"].items()
                          if not MEDIANS_DROPPED.fullmatch(k)}
        for ratios in ("against", "iops_to_block"):
            cell.pop(ratios, None)
    def line(value):
        return json.dumps(rounded(value), separators=(",", ":"))

    cells = ",\n".join(line(c) for c in result.pop("cells"))
    head = "".join(f'"{key}": {line(value)},\n' for key, value in result.items())
    return f'{{\n{head}"cells": [\n{cells}\n]}}\n'


def measure():
    start = time.monotonic()
    main_args = ("--against", "qemu", "--host")
    results = {
        "main": bench_json(turns(6), 0.5, *main_args, "--engine", "null,mmap,linux-aio",
                           "--depth", "1,32"),
    }
    with scratch(ROOT / "build") as file:
        for name, cache in {"io_uring": "none", "io_uring-cached": "writeback"}.items():
            results[name] = bench_json(
                turns(6), 0.5, *main_args, "--engine", "io_uring", "--disk", file.name,
                "--cache", cache, "--depth", "32", "--policy", "block,cost")
    for cell in results["io_uring-cached"]["cells"]:
        cell["disk"] = "cached"
    with scratch("/dev/shm") as file:
        results["pauses"] = bench_json(
            turns(6), 1.2, "--engine", "linux-aio", "--disk", file.name, "--depth", "1",
            "--pause", ",".join(PAUSES), "--policy", ",".join(POLICIES),
            "--poll-max-ns", ",".join(map(str, CAPS)))
    for cell in results["pauses"]["cells"]:
        cell["disk"] = "memory"
    results["idle"] = bench_json(turns(21), 0.8, "--engine", "null", "--depth", "1,32",
                                 "--policy", "block,cost", "--idle-handlers", "0,1024")
    for merge, result in merging(turns(6), 0.6).items():
        results[f"merge-{merge}"] = result
    table = bench(turns(3), 0.8)

    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
                            check=False, stdout=subprocess.PIPE, text=True).stdout.strip()
    results["main"]["results"] = {"disk": disk_name(), "commit": commit,
                                  "minutes": (time.monotonic() - start) / 60}
    KEPT.mkdir(exist_ok=True)
    for name, result in results.items():
        (KEPT / f"{name}.json").write_text(dump(result), encoding="utf-8")
    (KEPT / "bench.txt").write_text(table, encoding="utf-8")
