# SPDX-License-Identifier: MIT
"""docs/results.md, and two places of README.md."""
import sys
from textwrap import fill

from cells import (CAPS, CPU, IOPS, KEPT, LATENCY, P99, PAUSES, POLICIES, ROOT, Ratio, digits,
                   median, only, pause_cells, places, times)


def iops(cell):
    value, unit = median(cell, IOPS), ""
    for next_unit in ("k", "M"):
        if value >= 1000:
            value, unit = value / 1000, next_unit
    return digits(value) + unit + (" ~" if cell["noisy"] else "")


def us(cell, key):
    value = median(cell, key)
    return digits(None if value is None else value / 1000)


def percent(ratio):
    return f"{100 * ratio:.0f} %"


def of_cells(names):
    return "; ".join(names) if names else "none"


# --- tables ---

def table(head, rows):
    """What stands in the first column is not repeated."""
    names = [row[0] for row in rows]
    rows = [["" if i and name and name == names[i - 1] else name, *row[1:]]
            for i, (name, row) in enumerate(zip(names, rows))]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def qemu_table(all_places):
    rows = [[p.name, mode, iops(p.ours[mode]), iops(p.qemu[mode]),
             f"**{Ratio(p.ours[mode], p.qemu[mode])}**",
             times(Ratio(p.ours[mode], p.qemu[mode], LATENCY).median),
             times(Ratio(p.ours[mode], p.qemu[mode], CPU).median)]
            for p in all_places for mode in ("blocking", "polling")]
    return table(["disk", "I/O thread", "IOPS, Pollux", "QEMU", "Pollux to QEMU: IOPS", "latency",
                  "CPU per request"], rows)


def qemu_text(all_places):
    more, below, dearer = 0, [], []
    for p in all_places:
        for mode, ours in p.ours.items():
            ratio = Ratio(ours, p.qemu[mode])
            more += ratio.low > 1
            if ratio.high < 1:
                below.append(f"{p.name}, {mode}")
            if Ratio(ours, p.qemu[mode], CPU).low > 1:
                dearer.append(f"{p.name}, {mode}")
    return (f"In {more} of {2 * len(all_places)} cells the whole interval of the IOPS is above 1. "
            f"Cells in which it is below 1: {of_cells(below)}. Cells in which Pollux takes more "
            f"CPU per request, again by the whole interval: {of_cells(dearer)}.")


def polling_table(all_places):
    rows = [[p.name, name, iops(cell), us(cell, LATENCY), us(cell, P99), us(cell, CPU),
             digits(median(cell, "iothread_cpu_s_per_s"), 2),
             "" if name == "block" else f"**{Ratio(cell, p.pollux['block'])}**"]
            for p in all_places for name, cell in p.pollux.items()]
    return table(["disk", "policy", "IOPS", "latency, us", "p99, us", "CPU per request, us",
                  "CPU, s per s", "IOPS to `block`"], rows)


def polling_text(all_places):
    gains = sorted(((Ratio(p.ours["polling"], p.ours["blocking"]), p) for p in all_places),
                   key=lambda pair: pair[0].median)
    cpu = [median(p.ours["polling"], "iothread_cpu_s_per_s") for p in all_places]
    return (f"`cost`, the default policy, has the most over `block` with {gains[-1][1].name}: "
            f"{times(gains[-1][0].median)} times its IOPS; the least with {gains[0][1].name}: "
            f"{times(gains[0][0].median)} times. Its I/O thread then takes "
            f"{digits(min(cpu), 2)} to {digits(max(cpu), 2)} s of CPU in a second: polling is "
            "bought with CPU time, and a processor that is needed for something else should "
            "not be given to it.")


def host_table(all_places):
    rows = []
    for p in all_places:
        for runner, cell in p.host.items():
            rows.append([p.name, iops(p.ours["polling"]), runner, iops(cell),
                         f"**{Ratio(p.ours['polling'], cell)}**"])
    return table(["disk", "IOPS, Pollux polling", "limit", "its IOPS", "Pollux to the limit"], rows)


def pause_table(kept, cap):
    rows = []
    for pause in PAUSES:
        cells = pause_cells(kept, pause, cap)
        rows.append([pause] + [f"{us(c, LATENCY)} / {us(c, CPU)}" + (" ~" if c["noisy"] else "")
                               for c in cells.values()])
    return table(["pause", *(f"`{p}`" for p in POLICIES)], rows)


def is_beaten(cell, others):
    """Is another as good in latency and CPU, to 5 %, and better by more than that in one?"""
    def better(a, b):
        latency, cpu = median(a, LATENCY) / median(b, LATENCY), median(a, CPU) / median(b, CPU)
        return max(latency, cpu) <= 1.05 and min(latency, cpu) < 0.95
    return any(better(other, cell) for other in others if other is not cell)


def pause_text(kept):
    beaten = {policy: 0 for policy in POLICIES}
    for pause in PAUSES:
        for cap in CAPS:
            cells = pause_cells(kept, pause, cap)
            for policy, cell in cells.items():
                beaten[policy] += is_beaten(cell, cells.values())
    counts = ", ".join(f"`{policy}` {n}" for policy, n in beaten.items())
    return (f"In how many of the {len(PAUSES) * len(CAPS)} pairs of pause and cap another policy "
            "beats it, that is, has latency and CPU per request not above its own (to 5 %) and one "
            f"of them more than 5 % below: {counts}.")


def not_worth_it(kept, all_places):
    """Where polling costs CPU and buys nothing."""
    found = []

    def look(where, policy, cell, block):
        latency, cpu = (Ratio(cell, block, key).median for key in (LATENCY, CPU))
        if latency > 0.9 and cpu > 1.1:
            found.append([where, f"`{policy}`", cell["poll_max_ns"], times(latency), times(cpu)])

    for p in all_places:
        for policy, cell in p.pollux.items():
            look(p.name, policy, cell, p.pollux["block"])
    for pause in PAUSES[1:]:
        for cap in CAPS:
            cells = pause_cells(kept, pause, cap)
            for policy, cell in cells.items():
                look(f"file in memory, depth 1, pause {pause}", policy, cell, cells["block"])
    if not found:
        return "In no cell of this run."
    return table(["cell", "policy", "cap, ns", "latency to `block`", "CPU per request to `block`"],
                 found)


def idle_table(kept):
    rows = []
    for depth in (1, 32):
        for policy in ("block", "cost"):
            alone, beside = (only(kept["idle"], depth=depth, policy=policy, idle_handlers=n)
                             for n in (0, 1024))
            rows.append([depth, f"`{policy}`", iops(alone), iops(beside),
                         f"**{Ratio(beside, alone)}**"])
    return table(["depth", "policy", "IOPS alone", "beside 1024 idle", "ratio"], rows)


def merge_table(kept):
    rows = []
    for policy in ("block", "cost"):
        off, on = (only(kept[f"merge-{m}"], policy=policy) for m in ("off", "on"))
        rows.append([f"`{policy}`", iops(off), iops(on), f"**{Ratio(on, off)}**",
                     f"{us(off, CPU)} → {us(on, CPU)}", f"{us(off, P99)} → {us(on, P99)}"])
    return table(["policy", "IOPS without", "with merging", "ratio", "CPU per request, us",
                  "p99, us"], rows)


def spread_text(kept):
    cells = [c for result in kept.values() for c in result["cells"]]
    spreads = []
    for c in cells:
        runs = [run[IOPS] for run in c["runs"]]
        spreads.append((max(runs) - min(runs)) / median(c, IOPS))
    spreads.sort()
    noisy = sum(c["noisy"] for c in cells)
    return ("Spread: the fastest run of a cell has more IOPS than its slowest, by "
            f"{percent(spreads[len(spreads) // 2])} of the median in the middle one of all "
            f"{len(cells)} cells, by {percent(spreads[len(spreads) * 9 // 10])} or more in a tenth "
            f"of them, by {percent(spreads[-1])} in the worst. "
            f"{noisy or 'None'} of them {'is' if noisy == 1 else 'are'} marked with ~, not to be "
            "relied on: the host was busy with something else in more than half of the runs, "
            "though these were repeated.")


# --- pages ---

def machine(kept):
    main, host = kept["main"], kept["main"]["host"]
    kvm = {"hardware": "with hardware behind it",
           "emulated": "without hardware behind it: guest kernel code is emulated"}
    trip = main["host_alone"]["cache_line_trip_ns"]
    rows = [["processor", f"{host['processor']}, {host['processors']} online"],
            ["system", f"{host['system']}, Linux {host['kernel']}"],
            ["KVM", kvm.get(host["kvm"], host["kvm"])],
            ["one cache line to another processor and back", f"{digits(trip)} ns" if trip else "-"],
            ["disk", main["results"]["disk"]],
            ["Pollux", f"{main['pollux']}, commit {main['results']['commit']}"],
            ["QEMU", main["qemu"]["version"]],
            ["fio", main["host_alone"]["fio"] or "not installed"]]
    return table(["", ""], rows)


def emulated_note(kept):
    if kept["main"]["host"]["kvm"] != "emulated":
        return ""
    return ("On such a KVM a kick and an interrupt cost more than on one with hardware behind it. "
            "Blocking needs them and polling does not, so elsewhere the ratios of polling to "
            "blocking may be smaller. Run it on yours.")


def page(kept):
    all_places = places(kept)
    main, caps = kept["main"], " and ".join(map(str, CAPS))
    date, minutes = main["date"][:10], main["results"]["minutes"]
    turns, seconds = main["runs_planned"], main["workload"]["run_seconds"]

    def text(paragraph):
        return fill(paragraph, 100, break_on_hyphens=False)

    return f"""<!-- SPDX-License-Identifier: MIT -->
<!-- Made by `make results`: change scripts/results, not this page. -->
# Results

What polling buys and what it costs on one machine: `make results` of {date}, which
took {minutes:.0f} minutes and wrote this page. All that is said of figures here was made from them.

{machine(kept)}

{text(emulated_note(kept))}

A cell is a fresh virtual machine with one virtual CPU and one I/O thread. Unless it says otherwise,
the built-in guest reads 4 KiB at random places, as fast as it can, and watches its ring without
interrupts. A file in memory is one of tmpfs. The kernel has no asynchronous I/O for it, so Pollux reads
it by ordinary system calls with linux-aio and io_uring, too, and with mmap by copying from a mapping.
With io_uring others would have it read by worker threads, for which guest and I/O thread leave no CPU
here; so io_uring reads a file on disk through the page cache (`--cache writeback`). The variants of a
cell take turns: {turns} turns of {seconds} s for the first tables. Figures are medians of the runs.
Ratios are taken within each turn; the brackets say where their median lies with 95 % (by order
statistics; that takes 6 turns). Latency is the mean where it does not say p99. CPU is that of the I/O
thread.

{text(spread_text(kept))}

The figures are in [results/](results/), in the form of [bench-json.md](bench-json.md), with only
the main ones of each run. `pollux bench --compare docs/results/main.json YOURS.json` sets yours
beside them.

## What polling buys

![IOPS of Pollux, QEMU and the host alone](results/iops.svg)

{text(polling_text(all_places))}

{polling_table(all_places)}

## Against QEMU

The same guest under `qemu-system-x86_64 -M microvm` with one iothread, the same cache mode and the
engine of the same kind; against mmap, which QEMU has not, `aio=native`. Polling QEMU is the best of
`poll-max-ns` {caps} in each cell, chosen afterwards; polling Pollux is the default
policy, `cost`, with its default cap. All but the IOPS themselves are ratios, Pollux to QEMU.

{qemu_table(all_places)}

{text(qemu_text(all_places))}

## Against the host alone

*spin* is the spin device: the same guest with a disk that is nothing but a thread which spins, with no
event loop, checks or interrupts. *fio* uses the engine of the same kind on the host, without a guest. *pread* is that
system call in a loop.

{host_table(all_places)}

## With pauses

The guest waits before each request, on a file in memory, at depth 1: how do policies behave when
there is not always something to do?

![Latency and CPU for each pause](results/pauses.svg)

Latency / CPU per request, us, with a cap (`poll-max-ns`) of {CAPS[0]}:

{pause_table(kept, CAPS[0])}

With a cap of {CAPS[1]}:

{pause_table(kept, CAPS[1])}

The same for each pause, CPU against latency: nearer to the corner is better.

![CPU against latency for each pause](results/pareto.svg)

{text(pause_text(kept))}

## Where it does not pay

Cells in which a policy that polls saves less than 10 % of the latency of `block`, and takes over
10 % more CPU per request:

{not_worth_it(kept, all_places)}

## Beside 1024 idle handlers

The I/O thread of a busy disk, without I/O behind it, also serves 1024 sources that never have an
event.

{idle_table(kept)}

## Merging

Sequential reads of 4 KiB at depth 32, file on disk: adjacent requests go to the host as one,
or not.

{merge_table(kept)}
"""


def readme_parts(kept):
    """What stands between the markers of README.md."""
    host, date = kept["main"]["host"], kept["main"]["date"][:10]
    lines = (KEPT / "bench.txt").read_text(encoding="utf-8").splitlines()
    printed = "\n".join(f"    {line}".rstrip() for line in lines)
    kvm = ", whose KVM has no hardware behind it" if host["kvm"] == "emulated" else ""
    where = fill(f"({date}, {host['processor']}, {host['processors']} processors, Linux "
                 f"{host['kernel']}{kvm}. Absolute figures differ from host to host; compare "
                 "the ratios.)", 100)
    shown = [p for p in places(kept) if p.engine != "io_uring"]
    note = fill("The last three columns are ratios, Pollux to QEMU. Polling Pollux is the default "
                "policy with its default cap, polling QEMU the best of `poll-max-ns` "
                f"{' and '.join(map(str, CAPS))} in each cell.", 100)
    return {
        "bench": f"{printed}\n\n{where}",
        "qemu": f"{qemu_table(shown)}\n\n{note}\n\n"
                "![IOPS of Pollux, QEMU and the host alone](docs/results/iops.svg)",
    }


def write_all(kept):
    (ROOT / "docs" / "results.md").write_text(page(kept), encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for name, part in readme_parts(kept).items():
        begin, end = f"<!-- make results: {name} -->", "<!-- end -->"
        if text.count(begin) != 1:
            sys.exit(f"results: README.md must have '{begin}' once")
        before, after = text.split(begin)
        text = f"{before}{begin}\n{part}\n{end}{after[after.index(end) + len(end):]}"
    readme.write_text(text, encoding="utf-8")
