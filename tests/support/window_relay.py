"""A relay that takes mails one after the other from one stream of commands.

It obeys the rules strictly: a sender where one is open already is refused, and a failed
chunk leaves the transaction open until RSET (RFC 3030 §2).  It keeps what it took and in
which order mails came, and goes wrong once, where it is told.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.scripted_relay import Peer

EXTENSIONS = ("PIPELINING", "SIZE 10485760", "8BITMIME", "CHUNKING")


@dataclass(frozen=True)
class Trouble:
    """What goes wrong at the command *verb* of the mail that came as number *place*.

    A *kind* of digits is a refusal; TOOK is a mail taken without an answer.  The verb
    of content that followed DATA is BODY.
    """

    place: int
    verb: str
    kind: str


class HungUp(Exception):
    """This conversation is over."""


@dataclass
class _Open:
    first: bool
    sender: str = ""
    recipients: list[str] = field(default_factory=list)


class WindowRelay:
    """A script; the first connection brings one mail and then *window* more.

    Those must all have come before any of them is answered.  Later connections are served without delay or trouble.  Mails are known by their
    sender, which must be another for each.
    """

    def __init__(
        self,
        trouble: Trouble | None = None,
        window: int = 1,
        extensions: tuple[str, ...] = EXTENSIONS,
    ) -> None:
        self.taken: list[str] = []
        self.order: list[str] = []
        self.commands: list[str] = []
        self.connections = 0
        self._trouble = trouble
        self._window = window
        self._begun = -1
        self._extensions = extensions
        self._lock = threading.Lock()

    def __call__(self, peer: Peer) -> None:
        with self._lock:
            first = self.connections == 0
            self.connections += 1
        try:
            self._serve(peer, first=first)
        except (EOFError, HungUp, ConnectionError):
            return

    def _serve(self, peer: Peer, *, first: bool) -> None:
        lines = ["relay.example", *self._extensions]
        peer.say("220 relay.example")
        peer.expect("EHLO .+")
        peer.say(*(f"250-{w}" for w in lines[:-1]), f"250 {lines[-1]}")
        now = _Open(first)
        for line, sender in self._arriving(peer, first=first):
            if first and line.startswith("MAIL"):
                self._begun += 1
            self._take(peer, (line, sender), now, first=first)

    def _arriving(self, peer: Peer, *, first: bool) -> Iterator[tuple[str, str]]:
        """Each command with its mail's sender, as soon as all of a window are there."""
        held: deque[tuple[str, str]] = deque()
        awaited, sender = 1 if first and self._window else 0, ""
        while True:
            line = peer.line()
            self.commands.append(line)
            if line.startswith("MAIL"):
                sender = re.search("<(.*?)>", line)[1]
                self.order += [sender] if first else []
            held.append((line, sender))
            if line.startswith("BDAT"):
                peer.octets(int(line.split()[1]))
                awaited -= 1
            if awaited <= 0:
                awaited = self._window if first and len(self.order) == 1 else 0
                while held:
                    yield held.popleft()

    def _take(
        self, peer: Peer, command: tuple[str, str], now: _Open, *, first: bool
    ) -> None:
        line, sender = command
        verb = re.match(r"\w+", line)[0]
        trouble = self._trouble if first else None
        if trouble is None or not self._strikes(trouble, verb):
            self._obey(peer, line, sender, now)
            return
        if trouble.kind.isdigit() and trouble.kind != "421":
            peer.say(f"{trouble.kind} refused")
            if verb == "BODY":
                # RFC 5321 §4.1.1.4: that transaction is over, taken or not.
                now.sender, now.recipients = "", []
            return
        self._go_wrong(peer, trouble.kind, now)
        self._obey(peer, line, sender, now)

    def _go_wrong(self, peer: Peer, kind: str, now: _Open) -> None:
        """Raises `HungUp` but for garbage, which comes before the answer."""
        if kind == "garbage":
            peer.say("what?")
            return
        if kind == "421":
            peer.say("421 4.3.2 going down")
        if kind == "TOOK":
            self.taken.append(now.sender)
        while kind == "silence":
            peer.line()
        raise HungUp

    def _strikes(self, trouble: Trouble, verb: str) -> bool:
        # A RSET comes before the sender of the mail that it makes way for.
        place = self._begun - (verb != "RSET")
        return place == trouble.place and verb == trouble.verb

    def _obey(self, peer: Peer, line: str, sender: str, now: _Open) -> None:
        verb = re.match(r"\w+", line)[0]
        lacking = {"RCPT": not now.sender}
        lacking |= dict.fromkeys(("BDAT", "DATA"), not now.recipients)
        if lacking.get(verb) or (verb == "MAIL" and now.sender):
            peer.say("503 5.5.1 out of order")
            return
        match verb:
            case "MAIL":
                now.sender = sender
            case "RCPT":
                now.recipients.append(line)
            case "DATA":
                peer.say("354 go on")
                peer.data()
                self._take(peer, ("BODY", sender), now, first=now.first)
                return
            case "BDAT" | "BODY":
                self.taken.append(now.sender)
        if verb in {"RSET", "BDAT", "BODY"}:
            now.sender, now.recipients = "", []
        peer.say("221 bye" if verb == "QUIT" else f"250 {verb} done")
        if verb == "QUIT":
            raise HungUp
