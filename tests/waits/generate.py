#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the generated files of waits into a directory, the same ones in each run (docs/waits.md).

    generate.py DIRECTORY

Times are in ns. Unless a file has another value: one source that may fire at any time, 1500 waits,
a blocked wake-up costs 30 us of latency and 5 us of CPU, and each event is worked on for 2 us.
"""
import math
import os
import random
import sys

US = 1000
N = 1500


def write(name, about, waits, wake=30 * US, sources=("kick",)):
    with open(os.path.join(sys.argv[1], name + ".waits"), "w") as out:
        out.write(f"pollux-waits 1\n# {about}\nwake-ns {wake}\nwake-cpu-ns 5000\nbusy-ns 2000\n")
        out.writelines(f"source {s}\n" for s in sources)
        out.writelines(f"{w}\n" if isinstance(w, str) else f"{max(1, int(w))}\n" for w in waits)


def jitter(r, ns, share=0.05):
    return ns * (1 + r.uniform(-share, share))


def steady(us):
    r = random.Random(us)
    write(f"steady-{us}us", f"every {us} us, give or take 5 %",
          [jitter(r, us * US) for _ in range(N)])


def mixed(name, about, pick, seed, n=N, **kw):
    r = random.Random(seed)
    write(name, about, [pick(r, i) for i in range(n)], **kw)


def blocks(*phases):
    """Phases of (waits, us), over and over."""
    total = sum(n for n, _ in phases)

    def pick(r, i):
        i %= total
        for n, us in phases:
            if i < n:
                return jitter(r, us * US)
            i -= n
    return pick


def depth1(name, about, pause_us, disk_us, seed):
    """A guest that has one request at a time: a completion, then a pause and a kick."""
    r = random.Random(seed)
    waits = []
    for _ in range(N // 2):
        waits.append(f"{int(jitter(r, pause_us * US))} f1")
        waits.append(f"{int(jitter(r, disk_us * US))} f2 o2")
    write(name, about, waits, sources=("kick", "aio counted"))


def racing(name, about, seed):
    """A fast disk and a slow one, at random depths, and kicks at random."""
    r = random.Random(seed)
    waits, due = [], {}
    now = 0
    kick = now + r.expovariate(1 / (80 * US))
    while len(waits) < N:
        first = min([kick] + list(due.values()))
        in_flight = sum(1 << d for d in due)
        wait = first - now
        if first == kick:
            waits.append(f"{max(1, int(wait))} f1" + (f" o{in_flight:x}" if in_flight else ""))
            disk = r.choice([1, 2])
            due.setdefault(disk, first + jitter(r, (15 if disk == 1 else 900) * US, 0.2))
            kick = first + r.expovariate(1 / (80 * US))
        else:
            disk = min(due, key=due.get)
            waits.append(f"{max(1, int(wait))} f{1 << disk:x} o{in_flight:x}")
            del due[disk]
        now = first + 2 * US
        kick = max(kick, now)
        due = {d: max(t, now) for d, t in due.items()}
    write(name, about, waits, sources=("kick", "fast counted", "slow counted"))


def main():
    for us in (5, 20, 45, 80, 200, 1000):
        steady(us)
    mixed("bimodal", "half at 8 us, half at 600 us, at random",
          lambda r, i: jitter(r, r.choice([8, 600]) * US), 11)
    mixed("bimodal-rare", "nine of ten at 10 us, one at 2 ms, at random",
          lambda r, i: jitter(r, (10 if r.random() < 0.9 else 2000) * US), 12)
    mixed("bursty", "30 events 4 us apart, then 3 ms of silence", blocks((30, 4), (1, 3000)), 13)
    mixed("on-off", "200 events at 10 us, then 100 at 800 us", blocks((200, 10), (100, 800)), 14)
    mixed("diurnal", "the interval swings between 5 us and 800 us, as a day's load does",
          lambda r, i: jitter(r, US * math.exp(math.log(5) + (1 - math.cos(i / 240)) / 2 *
                                               math.log(160)), 0.2), 15)
    mixed("exponential-30us", "random arrivals, 30 us in the mean",
          lambda r, i: r.expovariate(1 / (30 * US)), 16)
    mixed("exponential-210us", "random arrivals, 210 us in the mean: as hard as it gets",
          lambda r, i: r.expovariate(1 / (210 * US)), 17)
    mixed("exponential-600us", "random arrivals, 600 us in the mean",
          lambda r, i: r.expovariate(1 / (600 * US)), 18)
    mixed("pareto", "heavy tail: from 4 us, exponent 1.1",
          lambda r, i: min(4 * US * r.paretovariate(1.1), 1e9), 19)
    mixed("shift-slower", "20 us, from the middle on 500 us",
          lambda r, i: jitter(r, (20 if i < N / 2 else 500) * US), 20)
    mixed("shift-faster", "500 us, from the middle on 20 us",
          lambda r, i: jitter(r, (500 if i < N / 2 else 20) * US), 21)
    mixed("slow-wake", "every 60 us, where a wake-up costs 100 us",
          lambda r, i: jitter(r, 60 * US), 22, wake=100 * US)
    mixed("fast-wake", "every 60 us, where a wake-up costs 6 us",
          lambda r, i: jitter(r, 60 * US), 23, wake=6 * US)
    depth1("depth1-memory", "pause of 25 us, a file in memory", 25, 2, 24)
    depth1("depth1-disk", "no pause to speak of, a 47 us disk", 3, 47, 25)
    depth1("depth1-slow-disk", "no pause to speak of, a 4 ms disk", 3, 4000, 26)
    racing("racing", "kicks at random, a 15 us disk and a 900 us disk in flight together", 27)

    # Adversaries. The window a policy will have is known from the rule, so the next wait is put
    # just beyond it; what it grew for does not come, what it gave up on does.
    mixed("against-grow-shrink", "doubling waits that just overrun each window, then over the cap",
          blocks(*[(1, us) for us in (3.9, 4.3, 8.5, 17, 33, 66, 130, 220)]), 28)
    mixed("against-weighted", "mean 40 us, but two of three events come just after it",
          lambda r, i: jitter(r, (10 if i % 3 == 0 else 55) * US, 0.02), 29)
    mixed("against-fixed", "always just beyond a cap of 200 us",
          lambda r, i: 201 * US + r.uniform(0, 5 * US), 30)
    mixed("against-block", "always 1 us", lambda r, i: jitter(r, US), 31)
    mixed("against-cost", "changes as soon as it must have been learned: 40 at 5 us, 40 at 400 us",
          blocks((40, 5), (40, 400)), 32)


if __name__ == "__main__":
    main()
