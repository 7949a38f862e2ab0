#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""drive.py TEST SOCKET: one test of the control socket; ends with 1 and a line when it fails.

TEST: commands, hostile, independent (with the module qemu.qmp), parameters (until standard input
ends, at least 10 000 changes).
"""
import asyncio
import os
import select
import socket
import sys

from qmp import Client, Error

IO0 = "/objects/io0"


def check(condition, text):
    if not condition:
        sys.exit(text)


def commands(path):
    c = Client(path)
    check(os.stat(path).st_mode & 0o777 == 0o600, "the mode of the socket is not 0600")
    names = {n["name"] for n in c.ask("query-commands")}
    check("stop" not in names, "a process without a guest has the command stop")
    for name in ("query-version", "query-name", "query-iothreads", "query-block", "query-blockstats",
                 "x-pollux-polling"):
        check(name in names, f"{name} is not listed")
        c.ask(name)
    for name, value in (("poll-policy", "weighted"), ("poll-max-ns", 4321), ("poll-grow", 3),
                        ("poll-shrink", 4), ("poll-weight", 5), ("poll-latency-weight", 6),
                        ("poll-cpu-max", 7)):
        c.ask("qom-set", path=IO0, property=name, value=value)
        check(c.ask("qom-get", path=IO0, property=name) == value, f"{name} is not {value}")
    size = c.ask("query-block")[0]["inserted"]["image"]["virtual-size"]
    c.ask("block_resize", device="disk0", size=2 * size)
    try:
        c.ask("block_resize", device="disk0", size=7)
        sys.exit("a size of 7 bytes was taken")
    except Error:
        pass
    c.ask("quit")
    check(c.rest() == ["SHUTDOWN"], f"the events at the end are {c.rest()}")


def resident(path):
    """Memory of the process behind @path, KiB."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        pid = int.from_bytes(s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4), "little")
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def never_reads(path):
    c = Client(path)
    c.socket.setblocking(False)
    try:
        while True:
            c.socket.send(b'{"execute":"query-blockstats"}' * 100)
    except BlockingIOError:
        return c


def send_all(path, data):
    c = Client(path)
    try:
        c.socket.sendall(data)
    except OSError:
        pass
    try:
        return c.read()
    except OSError:
        return None


def hostile(path):
    witness = Client(path)
    before = resident(path)
    check("64 KiB" in str(send_all(path, b'{"execute":"' + b"a" * (64 << 20))), "64 MiB were taken")
    check("in each other" in str(send_all(path, b'{"a":' + b"[" * 10000)), "depth 10 000 was taken")
    check("Invalid" in str(send_all(path, b'{"execute":"\xff"}')), "invalid UTF-8 was taken")
    Client(path).socket.sendall(b'{"execute":"query-na')
    silent = [never_reads(path) for _ in range(4)]
    witness.ask("query-blockstats")
    clients = []
    for _ in range(1000):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        clients.append(s)
    witness.ask("query-blockstats")
    for s in clients + [c.socket for c in silent]:
        s.close()
    grown = resident(path) - before
    check(grown < 16 << 10, f"the process has grown by {grown} KiB")
    Client(path).ask("query-block")
    witness.ask("quit")
    check(witness.rest()[-1:] == ["SHUTDOWN"], "no SHUTDOWN at the end")


async def drive_independent(path):
    from qemu.qmp import ExecuteError, QMPClient  # pylint: disable=import-outside-toplevel

    c = QMPClient("test")
    await c.connect(path)
    names = [n["name"] for n in await c.execute("query-commands")]
    for name in names:
        if name.startswith("query-") or name.startswith("x-"):
            await c.execute(name)
    await c.execute("qom-list", {"path": "/objects"})
    await c.execute("qom-set", {"path": IO0, "property": "poll-max-ns", "value": 1000})
    value = await c.execute("qom-get", {"path": IO0, "property": "poll-max-ns"})
    check(value == 1000, f"poll-max-ns is {value}")
    try:
        await c.execute("no-such-command")
        sys.exit("no-such-command was taken")
    except ExecuteError as e:
        check(e.error_class == "CommandNotFound", f"the class is {e.error_class}")
    with c.listener("SHUTDOWN") as events:
        await c.execute("quit")
        event = await asyncio.wait_for(events.get(), 60)
        check(event["data"]["reason"] == "host-qmp-quit", f"the event is {event}")
    try:
        await c.disconnect()
    except EOFError:
        pass


def independent(path):
    asyncio.run(drive_independent(path))


def parameters(path):
    c = Client(path)
    values = [("poll-policy", p) for p in ("block", "fixed", "grow-shrink", "weighted", "cost")]
    values += [("poll-max-ns", n) for n in (0, 1, 4000, 32768, 200000, 1000000)]
    n = 0
    while n < 10000 or not select.select([sys.stdin], [], [], 0)[0]:
        name, value = values[n * 7 % len(values)]
        c.ask("qom-set", path=IO0, property=name, value=value)
        n += 1
    operations = c.ask("query-blockstats")[0]["stats"]["wr_operations"]
    check(operations > 0, "the guest has written nothing")
    print(f"{n} changes, {operations} writes")


globals()[sys.argv[1]](sys.argv[2])
