"""The AUTH step of a dialogue (RFC 4954).

Credentials leave only under TLS, or to this very machine (threat C4).  Relays may say
them back, now or later: the dialogue is told what no reply may show.
"""

from __future__ import annotations

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.reply import Reply
from postroom_server.domain.secret import Secret
from postroom_server.smtp.auth import (
    CUT,
    MECHANISMS,
    Responder,
    choose,
    decoded,
    disguises,
    encoded,
    redacted,
)
from postroom_server.smtp.commands import (
    MAX_AUTH_LINE,
    MAX_LINE,
    Verb,
    command,
    continuation_line,
)
from postroom_server.smtp.dialogue import Dialogue
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.oauth import TOKEN_MECHANISMS, reasons_in
from postroom_server.smtp.settings import RelaySettings

_MAX_CHALLENGES = 4


def mechanism_for(relay: RelaySettings, offered: Extensions) -> str:
    """How to log in at *relay*.  Raises `SessionError` when there is no way."""
    offers = offered.auth_mechanisms
    if relay.tokens is None:
        mechanism = choose(relay.auth_mechanism, offers)
    else:
        names = tuple(TOKEN_MECHANISMS)
        mechanism = choose(relay.auth_mechanism, offers, names, names)
    if mechanism is None:
        detail = "the relay offers no way to log in that we use"
        raise SessionError(Phase.AUTH, FailureReason.AUTHENTICATION, detail)
    return mechanism


class Login:
    """One try to log in as *relay*'s user with *secret*, a password or a token.

    *told* is the challenge by which the relay gave its reasons against a token.
    """

    def __init__(
        self, dialogue: Dialogue, relay: RelaySettings, mechanism: str, secret: Secret
    ) -> None:
        self._dialogue = dialogue
        self._mechanism = mechanism
        self._responder: Responder
        self._token = None
        if mechanism in TOKEN_MECHANISMS:
            self._responder = self._token = TOKEN_MECHANISMS[mechanism](relay, secret)
        else:
            self._responder = MECHANISMS[mechanism](relay.username, secret)
        self._username = relay.username.encode()
        dialogue.secrets += disguises(secret.reveal())
        self._challenge = b""

    def run(self) -> Reply:
        """The relay's last word.  Raises `SessionError` when it does not come."""
        reply, held = self._begin()
        for _ in range(_MAX_CHALLENGES):
            if reply.code != 334:
                return reply
            answer = held or self._remembered(self._responder.answer(self._challenge))
            reply, held = self._ask(_line(answer)), ""
        raise _breach("a log-in without end")

    @property
    def token_refused(self) -> bool:
        """Whether the relay gave reasons against a token."""
        return self._token is not None and bool(self._token.refusal)

    def refusal(self, reply: Reply) -> SessionError:
        """What it means that *reply* is no yes."""
        if self._token is None:
            return SessionError.refused(reply, "the relay refused our credentials")
        kept_back = [*self._dialogue.secrets, self._username]
        (told,) = redacted([reasons_in(self._token.refusal).encode()], kept_back)
        reasons = f": {told.decode(errors='replace')}" if told else ""
        detail = f"the relay refused our token by {self._mechanism}{reasons}"
        return SessionError.refused(reply, detail)

    def _begin(self) -> tuple[Reply, str]:
        """AUTH, and the initial response if it has to wait for the relay's word.

        RFC 4954 §4: it goes along only where it fits a line of common length.
        """
        first = self._responder.initial()
        if first is None:
            return self._ask(command(Verb.AUTH, self._mechanism)), ""
        initial = self._remembered(first)
        # An empty one would else look like none.
        line = command(Verb.AUTH, self._mechanism)[:-2] + _line(f" {initial or '='}")
        if len(line) <= MAX_LINE:
            return self._ask(line), ""
        return self._ask(command(Verb.AUTH, self._mechanism)), initial

    def _ask(self, line: bytes) -> Reply:
        self._dialogue.say(line, Phase.AUTH)
        raw = self._dialogue.hear_raw(Phase.AUTH)
        if raw.code == 334:
            self._challenge = _challenge(raw.lines)
        # Later replies may name the user, who may be the sender, in the clear.
        return Reply.of(raw.code, redacted(raw.lines, [self._username]), Phase.AUTH)

    def _remembered(self, response: bytes) -> str:
        text = encoded(response)
        if len(response) > 1:
            self._dialogue.secrets.append(text.encode())
        return text


def _challenge(lines: tuple[bytes, ...]) -> bytes:
    try:
        return decoded(lines)
    except ValueError:
        if CUT in b"".join(lines):
            # It says back what it was told; the rest of it is no base64 any more.
            return CUT
        raise _breach("a challenge that is no base64") from None


def _line(text: str) -> bytes:
    line = continuation_line(text, Verb.AUTH)
    if len(line) > MAX_AUTH_LINE:
        detail = f"our credentials fill a line of more than {MAX_AUTH_LINE} octets"
        raise SessionError(Phase.AUTH, FailureReason.AUTHENTICATION, detail)
    return line


def _breach(what: str) -> SessionError:
    return SessionError(Phase.AUTH, FailureReason.PROTOCOL, f"the relay sent {what}")
