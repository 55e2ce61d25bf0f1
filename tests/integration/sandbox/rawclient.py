"""An SMTP client that says exactly what it is told to."""

from __future__ import annotations

import socket

TIMEOUT = 10.0


class RawClient:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self._lines = self._socket.makefile("rb")

    def say(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def reply(self) -> str:
        """The next reply, its lines joined; empty when the link is closed."""
        lines = []
        while line := self._lines.readline().decode():
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                break
        return "\n".join(lines)

    def ask(self, command: str) -> str:
        self.say(f"{command}\r\n".encode())
        return self.reply()

    def bdat(self, chunk: bytes, last: str = "") -> str:
        self.say(f"BDAT {len(chunk)}{last}\r\n".encode() + chunk)
        return self.reply()

    def begin(self, *recipients: str, sender: str = "ada@example.com") -> list[str]:
        """The replies to MAIL and each RCPT."""
        replies = [self.ask(f"MAIL FROM:<{sender}>")]
        return replies + [self.ask(f"RCPT TO:<{address}>") for address in recipients]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
