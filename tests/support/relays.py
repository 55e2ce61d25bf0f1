"""Relays for tests: one that behaves, and named ones that do not.

Each is a script for `ScriptedRelay`, or a function that makes one.
"""

from __future__ import annotations

import base64
import re
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.support.scripted_relay import PATIENCE, Peer, Script

ALL_EXTENSIONS = (
    "PIPELINING",
    "SIZE 10485760",
    "8BITMIME",
    "SMTPUTF8",
    "CHUNKING",
    "ENHANCEDSTATUSCODES",
    "DSN",
    "VRFY",
)


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Mail:
    """What a relay took: the commands' arguments as they came, and the content."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass
class PoliteRelay:
    """A script that follows the rules and keeps what it receives.

    *answers* holds, by verb, what to say instead of yes: each answer serves once.
    ``BODY`` is the verb of the content.  *tls* is for STARTTLS, or with *implicit* for
    the connection.
    """

    extensions: tuple[str, ...] = ALL_EXTENSIONS
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    answers: dict[str, list[str]] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    log_ins: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._answers = {verb: deque(lines) for verb, lines in self.answers.items()}

    def __call__(self, peer: Peer) -> None:
        try:
            if self.implicit and self.tls is not None:
                peer.start_tls(self.tls)
            self._converse(peer)
        except (EOFError, ssl.SSLError, ConnectionError):
            return

    def _converse(self, peer: Peer) -> None:
        peer.say(self._answer("GREETING", "220 relay.example"))
        envelope: tuple[str, list[str]] = ("", [])
        verb = ""
        while verb != "QUIT":
            line = peer.line()
            verb = re.match(r"\w+", line)[0].upper()
            self.verbs.append(verb)
            if verb in {"DATA", "BDAT"}:
                self._content(peer, line, envelope)
                envelope = ("", [])
            elif verb == "EHLO":
                peer.say(*self._ehlo(peer))
            elif verb == "RCPT" and not envelope[0]:
                peer.say("503 5.5.1 no sender")
            elif self._yes(
                peer, verb, _YES.get(verb, "250 2.0.0 ok"), partial(self._heard, line)
            ):
                envelope = self._obey(peer, line, envelope)

    def _heard(self, line: str) -> None:
        if line.upper().startswith("AUTH"):
            self.log_ins.append(line)

    def _obey(
        self, peer: Peer, line: str, envelope: tuple[str, list[str]]
    ) -> tuple[str, list[str]]:
        match line.split(maxsplit=1)[0].upper():
            case "STARTTLS":
                peer.start_tls(self.tls)
            case "MAIL":
                return (line, [])
            case "RCPT":
                envelope[1].append(line)
        return envelope

    def _content(self, peer: Peer, line: str, envelope: tuple[str, list[str]]) -> None:
        sender, recipients = envelope
        if line.startswith("BDAT"):
            content = peer.octets(int(line.split()[1]))
            if not recipients:
                peer.say("503 5.5.1 no recipients")
                return
        else:
            default = "354 go on" if recipients else "503 5.5.1 no recipients"
            if not self._yes(peer, "DATA", default):
                return
            content = peer.data()
        self._came(content)
        # Whoever hears a yes finds the mail.
        mail = Mail(sender, tuple(recipients), content)
        self._yes(peer, "BODY", "250 2.0.0 queued", lambda: self.mails.append(mail))

    def _came(self, content: bytes) -> None:
        """*content* came to its end, and is not answered yet."""

    def _ehlo(self, peer: Peer) -> list[str]:
        refusal = self._answer("EHLO", "")
        if refusal:
            return [refusal]
        words = [w for w in self.extensions if w != "STARTTLS"]
        if self.tls is not None and not isinstance(peer.socket, ssl.SSLSocket):
            words.append("STARTTLS")
        lines = ["relay.example greets you", *words]
        return [f"250-{word}" for word in lines[:-1]] + [f"250 {lines[-1]}"]

    def _yes(
        self,
        peer: Peer,
        verb: str,
        default: str,
        if_so: Callable[[], object] = _nothing,
    ) -> bool:
        """Answer; a yes is said when *if_so* is done."""
        answer = self._answer(verb, default)
        said_yes = answer[0] in "23"
        if said_yes:
            if_so()
        peer.say(answer)
        return said_yes

    def _answer(self, verb: str, default: str) -> str:
        waiting = self._answers.get(verb)
        return waiting.popleft() if waiting else default


_YES = {
    "STARTTLS": "220 go ahead",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 sender ok",
    "RCPT": "250 2.1.5 recipient ok",
    "QUIT": "221 2.0.0 bye",
}


def greeting_with(*lines: str) -> Script:
    """Says these lines for a greeting and waits for the client to leave."""

    def script(peer: Peer) -> None:
        peer.say(*lines)
        peer.expect_end()

    return script


def ready(*extensions: str) -> Script:
    """Greets and offers *extensions*; to be called first by other scripts."""

    def script(peer: Peer) -> None:
        peer.say("220 relay.example")
        peer.expect("EHLO .+")
        words = ["relay.example", *extensions]
        peer.say(*[f"250-{w}" for w in words[:-1]], f"250 {words[-1]}")

    return script


def then(*scripts: Script) -> Script:
    """One script after the other, on the same connection."""

    def script(peer: Peer) -> None:
        for part in scripts:
            part(peer)

    return script


def plays(transcript: str) -> Script:
    """A transcript as a script."""
    return lambda peer: peer.play(transcript)


def strips_starttls(peer: Peer) -> None:
    """Somebody between us took STARTTLS out of the reply to EHLO."""
    then(ready("PIPELINING", "XXXXXXXX"), Peer.expect_end)(peer)


def refuses_starttls(code: str) -> Script:
    """Offers STARTTLS and answers *code* to it."""

    def script(peer: Peer) -> None:
        ready("STARTTLS", "AUTH PLAIN")(peer)
        peer.expect("STARTTLS")
        peer.say(f"{code} not today")
        if code[0] in "45":
            peer.expect("QUIT")
        peer.expect_end()

    return script


def injects_after_220(extra: bytes) -> Script:
    """Sends *extra* in one segment with the 220 to STARTTLS."""

    def script(peer: Peer) -> None:
        ready("STARTTLS")(peer)
        peer.expect("STARTTLS")
        peer.send(b"220 go ahead\r\n" + extra)
        peer.expect_end()

    return script


def speaks_while_idle(speak: threading.Event, spoken: threading.Event) -> Script:
    """After EHLO, says a 250 that nobody asked for."""

    def script(peer: Peer) -> None:
        ready("PIPELINING")(peer)
        speak.wait(PATIENCE)
        peer.say("250 2.1.5 ok")
        spoken.set()
        peer.expect_end()

    return script


def drops_after_the_final_dot(peer: Peer) -> None:
    """Reads all of the content and leaves without an answer."""
    ready("PIPELINING")(peer)
    peer.play(_ENVELOPE + "S: 250 ok\nS: 250 ok\nS: 354 go on")
    peer.data()


def drips(octets: bytes, stop: threading.Event) -> Script:
    """One octet each 10 ms, for ever."""

    def script(peer: Peer) -> None:
        while not stop.is_set():
            for octet in octets:
                try:
                    peer.send(bytes([octet]))
                except OSError:
                    return
                if stop.wait(0.01):
                    return

    return script


def endless_reply(peer: Peer) -> None:
    """A greeting whose last line never comes."""
    try:
        while True:
            peer.send(b"220-more to come\r\n" * 100)
    except OSError:
        return


def refuses_all_then_354(peer: Peer) -> None:
    """No recipient is good enough, and yet it wants the content."""
    ready("PIPELINING")(peer)
    peer.play(_ENVELOPE + "S: 250 ok\nS: 550 5.1.1 no such user\nS: 354 go on")
    assert peer.data() == b"", "content for nobody"
    peer.play("S: 554 5.5.1 no valid recipients\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 x")


def challenges(*questions: str, last: str = "235 2.7.0 welcome") -> Script:
    """Offers AUTH, asks *questions*, and then says *last*."""

    def script(peer: Peer) -> None:
        ready("AUTH PLAIN LOGIN CRAM-MD5")(peer)
        peer.line()
        for question in questions:
            peer.say("334 " + base64.b64encode(question.encode()).decode())
            peer.line()
        peer.say(last)

    return script


_ENVELOPE = "C: MAIL FROM:<.+\nC: RCPT TO:<.+\nC: DATA\n"
