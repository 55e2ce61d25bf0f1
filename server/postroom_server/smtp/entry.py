"""Getting past a relay's AUTH: by password once, by token with one second chance.

A token may have run out since it was given.  When the relay refuses one its source is
asked once more, and the log-in tried once more; then the refusal stands, as that of a
password does (no storm of log-ins).
"""

from __future__ import annotations

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.reply import Reply
from postroom_server.domain.secret import Secret
from postroom_server.smtp.dialogue import Dialogue
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.extensions import Extensions
from postroom_server.smtp.login import Login, mechanism_for
from postroom_server.smtp.settings import RelaySettings
from postroom_server.smtp.timeouts import DeadlineSource


class LeftAfterRefusal(SessionError):
    """The relay refused a token and hung up; there is a fresh one to come back with."""


class Entry:
    """The log-in of one connection, and of the one that may have to follow it."""

    def __init__(self, relay: RelaySettings, deadline: DeadlineSource) -> None:
        self.mechanism = ""
        self._relay = relay
        self._deadline = deadline
        self._fresh: Secret | None = None

    def log_in(self, dialogue: Dialogue, offered: Extensions) -> None:
        """Log in over *dialogue*.

        Raises `LeftAfterRefusal`, once, when another connection is worth a try, else
        `SessionError`.
        """
        self.mechanism = mechanism_for(self._relay, offered)
        login = self._login(dialogue, self._fresh or self._secret())
        reply = login.run()
        if reply.code == 235:
            return
        if self._fresh is not None or not self._renewable(login, reply):
            raise login.refusal(reply)
        refusal = login.refusal(reply)
        self._fresh = self._anew(refusal)
        self._once_more(dialogue, self._fresh, refusal)

    def _anew(self, refusal: SessionError) -> Secret:
        try:
            return self._secret()
        except SessionError as error:
            if error.reason is FailureReason.DEADLINE:
                raise
            # That there is no other token is no reason to try this one again soon.
            raise refusal from error

    def _once_more(
        self, dialogue: Dialogue, fresh: Secret, refusal: SessionError
    ) -> None:
        login = self._login(dialogue, fresh)
        try:
            reply = login.run()
        except SessionError as error:
            if error.by_relay:
                raise LeftAfterRefusal(
                    Phase.AUTH, refusal.reason, refusal.detail, refusal.reply
                ) from error
            raise
        if reply.code != 235:
            raise login.refusal(reply)

    def _login(self, dialogue: Dialogue, secret: Secret) -> Login:
        return Login(dialogue, self._relay, self.mechanism, secret)

    def _secret(self) -> Secret:
        tokens = self._relay.tokens
        return self._relay.password if tokens is None else tokens.ask(self._deadline)

    def _renewable(self, login: Login, reply: Reply) -> bool:
        """Whether the token is what was refused, for good."""
        refused = reply.code == 535 or login.token_refused
        return self._relay.tokens is not None and refused and reply.code >= 500
