"""A relay that answers each mail as was planned for it, and breaks off once.

It obeys the rules strictly, as `WindowRelay` does: a command that comes out of turn is
refused whatever was planned, so that a mail mixed up with another shows.  What it took
and what it had said by then is kept; the verdict of a mail can be told from that.
"""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field

from tests.support.scripted_relay import Peer


@dataclass(frozen=True)
class Plan:
    """The codes that answer a mail: to its sender, each recipient, its content."""

    mail: int = 250
    rcpt: tuple[int, ...] = (250,)
    final: int = 250


@dataclass(frozen=True)
class Break:
    """How a connection ends, with the reply to its mail number *place* at *verb*.

    Of several it is the one that comes there first.

    "half" is a reply cut off in its middle; "421" says that it ends; "garbage" is a
    line that no relay says, before the reply; "reset" also loses what was said before.
    """

    place: int
    verb: str
    kind: str


class _Over(Exception):
    """This conversation is over."""


@dataclass
class _State:
    """One connection; *number* is the place of the mail that comes now."""

    first: bool
    number: int = -2
    sender: str = ""
    open: bool = False
    asked: int = 0
    taken: list[str] = field(default_factory=list)


class PlannedRelay:
    """A script.  Mails are known by their sender; the first one is not counted."""

    def __init__(
        self,
        plans: dict[str, Plan],
        extensions: tuple[str, ...],
        broken: Break | None = None,
        *,
        slow: bool = False,
    ) -> None:
        self.taken: Counter[tuple[str, str]] = Counter()
        self.answered: set[str] = set()
        """Senders whose mail has got its last reply, before it broke off."""
        self.invited: set[str] = set()
        """Senders whose content was asked for, where the dialogue asks for it."""
        self.order: list[str] = []
        self.broke = False
        self._plans = plans
        self._extensions = extensions
        self._broken = broken
        self._slow = slow
        self._lock = threading.Lock()
        self._connections = 0
        self._breaking: _State | None = None

    def __call__(self, peer: Peer) -> None:
        with self._lock:
            self._connections += 1
            state = _State(self._connections == 1)
        try:
            self._serve(peer, state)
        except (EOFError, _Over, ConnectionError):
            return

    def _serve(self, peer: Peer, state: _State) -> None:
        peer.say("220 relay.example")
        peer.expect("EHLO .+")
        lines = ["relay.example", *self._extensions]
        peer.say(*(f"250-{w}" for w in lines[:-1]), f"250 {lines[-1]}")
        while True:
            line = peer.line()
            verb = re.match(r"\w+", line)[0]
            getattr(self, f"_{verb.lower()}")(peer, state, line)

    def _mail(self, peer: Peer, state: _State, line: str) -> None:
        state.number += 1
        sender = re.search("<(.*?)>", line)[1]
        if state.first:
            self.order.append(sender)
        code = self._plans[sender].mail
        if state.open:
            code = 503
        elif code == 250:
            state.sender, state.open = sender, True
            state.asked, state.taken = 0, []
        self._reply(peer, state, "MAIL", code)

    def _rcpt(self, peer: Peer, state: _State, line: str) -> None:
        code = 503
        if state.open:
            code = self._plans[state.sender].rcpt[state.asked]
            state.asked += 1
            if code == 250:
                state.taken.append(re.search("<(.*?)>", line)[1])
        self._invite(state, "PIPELINING" not in self._extensions)
        self._reply(peer, state, "RCPT", code)

    def _data(self, peer: Peer, state: _State, line: str) -> None:
        if not state.taken:
            self._reply(peer, state, "DATA", 503)
            return
        self._invite(state, True)
        self._reply(peer, state, "DATA", 354)
        peer.data()
        # RFC 5321 §4.1.1.4: that transaction is over, taken or not.
        self._end(peer, state, over=True)

    def _bdat(self, peer: Peer, state: _State, line: str) -> None:
        peer.octets(int(line.split()[1]))
        if state.taken:
            # RFC 3030 §2: one that failed stays open until RSET.
            self._end(peer, state, over=self._plans[state.sender].final == 250)
        else:
            self._reply(peer, state, "END", 503)

    def _end(self, peer: Peer, state: _State, *, over: bool) -> None:
        sender, code = state.sender, self._plans[state.sender].final
        broken = self._broken if self._breaks_at(state, "END") else None
        if code == 250 and not (broken and broken.kind == "421"):
            self.taken.update((sender, recipient) for recipient in state.taken)
        if over:
            state.open, state.taken = False, []
        self._reply(peer, state, "END", code)
        if not (state is self._breaking and self.broke):
            self.answered.add(sender)

    def _rset(self, peer: Peer, state: _State, line: str) -> None:
        state.open, state.taken = False, []
        self._reply(peer, state, "RSET", 250)

    def _quit(self, peer: Peer, state: _State, line: str) -> None:
        peer.say("221 bye")
        raise _Over

    def _invite(self, state: _State, asked: bool) -> None:
        if asked and state.open:
            self.invited.add(state.sender)

    def _reply(self, peer: Peer, state: _State, verb: str, code: int) -> None:
        if self._broken and self._breaks_at(state, verb):
            self.broke = True
            self._break(peer, self._broken.kind)
        octets = f"{code} {verb} done\r\n".encode()
        if not self._slow:
            peer.send(octets)
            return
        for octet in octets:
            peer.send(bytes([octet]))

    def _breaks_at(self, state: _State, verb: str) -> bool:
        if self._broken is None or self.broke:
            return False
        # RSET comes before the sender of the mail that it makes way for.
        place = state.number + (verb == "RSET")
        if (place, verb) != (self._broken.place, self._broken.verb):
            return False
        with self._lock:
            self._breaking = self._breaking or state
        return self._breaking is state

    def _break(self, peer: Peer, kind: str) -> None:
        if kind == "garbage":
            peer.say("what?")
            return
        if kind == "421":
            peer.say("421 4.3.2 going down")
        if kind == "half":
            peer.send(b"250 do")
        if kind == "reset":
            peer.reset()
        else:
            # Closed with octets unread, a connection loses also what was said on it.
            peer.socket.shutdown(socket.SHUT_WR)
            while True:
                peer.line()
        raise _Over
