"""A relay that says back everything it was told, at a step of its choice."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from tests.support.scripted_relay import Peer

MECHANISMS = ("plain", "login", "cram-md5", "oauthbearer", "xoauth2")


@dataclass
class EchoingRelay:
    """Refuses *step* with the log-in as it heard it, encoded and decoded."""

    step: str
    heard: list[str] = field(default_factory=list)

    def __call__(self, peer: Peer) -> None:
        try:
            self._converse(peer)
        except (EOFError, ConnectionError):
            return

    def _converse(self, peer: Peer) -> None:
        peer.say("220 echo.example")
        while True:
            line = peer.line()
            verb, _, argument = line.partition(" ")
            if verb == "EHLO":
                offered = " ".join(MECHANISMS).upper()
                peer.say("250-echo.example", f"250 AUTH {offered}")
            elif verb == "AUTH":
                self._log_in(peer, argument)
            elif verb == self.step:
                # The last word is the credential, or was made of it.
                last = self._decoded()[-1].strip("\1").split()[-1]
                peer.say(f"550 5.0.0 {' '.join(self.heard)} {last}")
            else:
                peer.say("250 2.0.0 ok")

    def _log_in(self, peer: Peer, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        self.heard = [initial] if initial else []
        for question in _QUESTIONS[mechanism]:
            peer.say("334 " + base64.b64encode(question).decode())
            self.heard.append(peer.line())
        if self.step == "AUTH":
            words = " ".join([*self.heard, *self._decoded()]).replace("\1", " ")
            peer.say(f"535-5.7.8 {words}", f"535 5.7.8 {words}")
        else:
            peer.say("235 2.7.0 welcome")

    def _decoded(self) -> list[str]:
        return [piece for line in self.heard for piece in _decoded(line).split("\0")]


_QUESTIONS = {
    "PLAIN": (),
    "LOGIN": (b"Password:",),
    "CRAM-MD5": (b"<1.2@echo.example>",),
    "OAUTHBEARER": (),
    "XOAUTH2": (),
}


def _decoded(piece: str) -> str:
    try:
        return base64.b64decode(piece).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
