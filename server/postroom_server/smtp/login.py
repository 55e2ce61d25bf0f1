"""The AUTH step of a dialogue (RFC 4954).

Credentials leave only under TLS, or to this very machine (threat C4).  Relays may say
them back, now or later: the dialogue is told what no reply may show.
"""

from __future__ import annotations

import base64

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.reply import Reply
from postroom_server.smtp.auth import MECHANISMS, choose, decoded, encoded, redacted
from postroom_server.smtp.commands import Verb, command, continuation_line
from postroom_server.smtp.dialogue import Dialogue
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.settings import RelaySettings

_MAX_CHALLENGES = 4


def log_in(dialogue: Dialogue, relay: RelaySettings, offered: Extensions) -> str:
    """Log in as *relay*'s user; the mechanism.  Raises `SessionError`."""
    mechanism = choose(relay.auth_mechanism, offered.auth_mechanisms)
    if mechanism is None:
        raise SessionError(
            Phase.AUTH,
            FailureReason.AUTHENTICATION,
            "the relay offers no way to log in that we use",
        )
    reply = _Login(dialogue, relay, mechanism).run()
    if reply.code != 235:
        raise SessionError.refused(reply, "the relay refused our credentials")
    return mechanism


class _Login:
    def __init__(
        self, dialogue: Dialogue, relay: RelaySettings, mechanism: str
    ) -> None:
        self._dialogue = dialogue
        self._mechanism = mechanism
        self._responder = MECHANISMS[mechanism](relay.username, relay.password)
        self._username = relay.username.encode()
        password = relay.password.reveal().encode()
        dialogue.secrets += [password, base64.b64encode(password)]
        self._challenge = b""

    def run(self) -> Reply:
        first = self._responder.initial()
        initial = () if first is None else (self._remembered(first),)
        reply = self._ask(command(Verb.AUTH, self._mechanism, *initial))
        for _ in range(_MAX_CHALLENGES):
            if reply.code != 334:
                return reply
            answer = self._remembered(self._responder.answer(self._challenge))
            reply = self._ask(continuation_line(answer, Verb.AUTH))
        raise _breach("a log-in without end")

    def _ask(self, line: bytes) -> Reply:
        self._dialogue.say(line, Phase.AUTH)
        raw = self._dialogue.hear_raw(Phase.AUTH)
        if raw.code == 334:
            try:
                self._challenge = decoded(raw.lines)
            except ValueError:
                raise _breach("a challenge that is no base64") from None
        # Later replies may name the user, who may be the sender, in the clear.
        return Reply.of(raw.code, redacted(raw.lines, [self._username]), Phase.AUTH)

    def _remembered(self, response: bytes) -> str:
        text = encoded(response)
        if len(text) > 1:
            self._dialogue.secrets.append(text.encode())
        return text


def _breach(what: str) -> SessionError:
    return SessionError(Phase.AUTH, FailureReason.PROTOCOL, f"the relay sent {what}")
