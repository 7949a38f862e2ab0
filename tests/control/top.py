#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""top.py POLLUX SOCKET: `pollux top` in a terminal and without one, on a process that serves disk0
on io0 and has a control socket; ends the process. Ends with 1 and a line when a test fails.
"""
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios

from qmp import Client

HANG = 300  # seconds for all; a run that is well waits for events only
POLLUX, SOCKET = sys.argv[1:3]


def check(condition, text):
    if not condition:
        sys.exit(text)


def size_of(fd, width, height):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


class Terminal:
    """A terminal with `pollux top` in it."""

    newest = None

    def __init__(self, *arguments, width=80, height=24):
        self.master, self.slave = pty.openpty()
        size_of(self.slave, width, height)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.pid = os.fork()
        if self.pid == 0:
            os.login_tty(self.slave)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it for what runs beside it
            os.environ["TERM"] = "xterm"
            os.execv(POLLUX, [POLLUX, "top", SOCKET, "--interval", "100ms", *arguments])
        self.process = os.pidfd_open(self.pid)
        Terminal.newest = self

    def more(self):
        """Read what comes next. Return: False at the end of the program."""
        if self.master not in select.select([self.master, self.process], [], [])[0]:
            return False
        self.text += os.read(self.master, 65536).decode()
        return True

    def await_text(self, *wanted):
        """Read until all of @wanted were written, then forget them."""
        while not all(w in self.text for w in wanted):
            check(self.more(), f"the program has ended: {self.text!r}")
        self.text = ""

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self, status):
        """The program ends with @status and leaves the terminal as it was. Return: what it wrote."""
        while self.more():
            pass
        got = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        check(got == status, f"the status is {got}, not {status}: {self.text!r}")
        check(termios.tcgetattr(self.slave) == self.before, "the terminal is not as it was")
        check("\x1b[?1049l" in self.text, f"the screen is not as it was: {self.text!r}")
        for fd in self.process, self.master, self.slave:
            os.close(fd)
        return self.text


def run(*arguments, **options):
    return subprocess.run([POLLUX, "top", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, **options)


def fails(text, *arguments, **options):
    result = run(*arguments, **options)
    check(result.returncode == 1 and text in result.stderr and result.stderr.count("\n") == 1,
          f"{arguments} ends with {result.returncode}: {result.stderr!r}, not {text!r}")


def fails_in_a_terminal(text, term):
    master, slave = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k != "TERM"}
    if term:
        env["TERM"] = term
    result = subprocess.run([POLLUX, "top", SOCKET], stdin=slave, stdout=slave, text=True, env=env,
                            stderr=subprocess.PIPE, check=False)
    check(result.returncode == 1 and text in result.stderr, f"TERM={term}: {result.stderr!r}")
    check(not select.select([master], [], [], 0)[0], f"TERM={term}: something was written")
    os.close(master)
    os.close(slave)


def without_a_terminal():
    table = run(SOCKET, "--once", "--interval", "100ms")
    check(table.returncode == 0, f"--once: {table.stderr}")
    lines = [line.split()[:1] for line in table.stdout.splitlines()]
    check(lines == [["NAME"], ["io0"], [], ["disk0"]], f"--once printed {table.stdout!r}")
    answer = run("--once", "--json", "--interval=100ms", SOCKET)
    figures = json.loads(answer.stdout)
    check([t["id"] for t in figures["iothreads"]] == ["io0"], answer.stdout)
    check([d["name"] for d in figures["disks"]] == ["disk0"], answer.stdout)
    check(figures["iothreads"][0]["answers"], answer.stdout)
    for name in ("iops", "cpu_percent", "missed_percent", "window_ns", "kicks_per_s"):
        check(figures["iothreads"][0][name] >= 0, f"{name} is missing: {answer.stdout}")
    with subprocess.Popen([POLLUX, "top", SOCKET, "--json", "--interval", "100ms"],
                          stdout=subprocess.PIPE, text=True) as stream:
        for _ in range(3):
            check(json.loads(stream.stdout.readline())["disks"], "there is no disk")
        stream.terminate()
    check(stream.returncode == 128 + signal.SIGTERM, f"--json ended with {stream.returncode}")


def errors():
    fails("--qmp unix:PATH")
    fails("must be a terminal", SOCKET)
    fails("cannot connect", SOCKET + ".none", "--once")
    fails("is no socket", "/", "--once")
    fails("100ms to 3600s", SOCKET, "--interval", "1ms")
    fails_in_a_terminal("TERM=dumb cannot move its cursor", "dumb")
    fails_in_a_terminal("does not know TERM=nonsense", "nonsense")
    fails_in_a_terminal("TERM is not set", None)


def live():
    other = Client(SOCKET)
    t = Terminal()
    t.await_text("every 0.1 s", "1 I/O thread, 1 disk", "NAME", "INTR/s", "io0", "disk0", "q quit")
    size_of(t.slave, 200, 50)
    t.await_text("POLICY", "cost")
    t.press("p")
    t.await_text("PAUSED")
    t.press("?")
    t.await_text("this help", "requests per second")
    t.press("x")
    t.await_text("NAME")
    size_of(t.slave, 30, 4)
    t.await_text("NAME")
    other.ask("query-blockstats")
    t.press("q")
    t.end(0)
    other.ask("query-blockstats")
    return other


def signals():
    for send, status in ((lambda t: os.kill(t.pid, signal.SIGTERM), 128 + signal.SIGTERM),
                         (lambda t: t.press("\x03"), 128 + signal.SIGINT)):
        t = Terminal("--interval", "3600s")  # which nothing waits for
        t.await_text("disk0")
        send(t)
        t.end(status)


def process_of(client):
    peer = client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return struct.unpack("3i", peer)[0]


def silent(server):
    """A server that does not answer is an error, and Ctrl-C does not wait for it."""
    os.kill(server, signal.SIGSTOP)
    fails("does not answer", SOCKET, "--once")
    os.kill(server, signal.SIGCONT)
    t = Terminal()
    t.await_text("disk0")
    os.kill(server, signal.SIGSTOP)
    t.press("\x03")
    t.end(128 + signal.SIGINT)
    os.kill(server, signal.SIGCONT)


def hangs(*_):
    sys.exit(f"the test hangs; the terminal has {Terminal.newest and Terminal.newest.text!r}")


def main():
    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(HANG)
    without_a_terminal()
    errors()
    witness = live()
    signals()
    silent(process_of(witness))
    t = Terminal("--interval", "3600s")
    t.await_text("disk0")
    witness.ask("quit")
    check("has ended: host-qmp-quit" in t.end(1), "the reason is not printed")


main()
