# SPDX-License-Identifier: MIT
"""A small client of the control socket, for the tests beside this file."""
import json
import socket


class Error(Exception):
    """The answer was an error."""


class Client:
    def __init__(self, path, negotiate=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.events = []
        self.greeting = self.read()
        if negotiate:
            self.ask("qmp_capabilities")

    def read(self):
        """The next line; None at the end."""
        line = self.lines.readline()
        return json.loads(line) if line else None

    def ask(self, command, **arguments):
        message = {"execute": command}
        if arguments:
            message["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.socket.sendall(json.dumps(message).encode())
        while True:
            answer = self.read()
            if answer is None:
                raise EOFError(f"the connection ended after {command}")
            if "event" not in answer:
                break
            self.events.append(answer)
        if "error" in answer:
            raise Error(answer["error"]["desc"])
        return answer["return"]

    def rest(self):
        """Events up to the end of the connection."""
        while (event := self.read()) is not None:
            self.events.append(event)
        return [e["event"] for e in self.events]
