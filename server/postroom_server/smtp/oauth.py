"""How we log in with a token: OAUTHBEARER (RFC 7628) and XOAUTH2, its elder.

Both say everything at once.  A relay that refuses the token asks once more, with its
reasons as JSON; it waits for an answer without meaning before it says no (RFC 7628
§3.2.3): one octet 0x01 by OAUTHBEARER, nothing at all by XOAUTH2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from postroom_server.domain.secret import Secret
from postroom_server.smtp.settings import RelaySettings

_REASONS = ("status", "schemes", "scope")
_LONGEST_REASON = 120


class _Bearer:
    """What both have in common; *refusal* is the challenge that told why not."""

    _acknowledgement = b""

    def __init__(self, relay: RelaySettings, token: Secret) -> None:
        self._relay, self._token = relay, token
        self.refusal = b""

    def initial(self) -> bytes:
        raise NotImplementedError

    def answer(self, challenge: bytes) -> bytes:
        if not challenge:
            # The relay took no initial response, and asks for it.
            return self.initial()
        self.refusal = challenge
        return self._acknowledgement


class XOAuth2(_Bearer):
    """The mechanism of Google and Microsoft, without an RFC."""

    def initial(self) -> bytes:
        user, token = self._relay.username, self._token.reveal()
        return f"user={user}\1auth=Bearer {token}\1\1".encode()


class OAuthBearer(_Bearer):
    """RFC 7628."""

    _acknowledgement = b"\1"

    def initial(self) -> bytes:
        # RFC 5801 §4: a name in the GS2 header has no bare "=" and ",".
        user = self._relay.username.replace("=", "=3D").replace(",", "=2C")
        way = f"host={self._relay.host}\1port={self._relay.port}"
        return (f"n,a={user},\1{way}\1auth=Bearer {self._token.reveal()}\1\1").encode()


TOKEN_MECHANISMS: Mapping[str, Callable[[RelaySettings, Secret], _Bearer]] = (
    MappingProxyType({"OAUTHBEARER": OAuthBearer, "XOAUTH2": XOAuth2})
)
"""The one with an RFC comes first."""


def reasons_in(challenge: bytes) -> str:
    """Why the relay refuses the token: status, schemes and scope, each cut short.

    Empty where *challenge* says none of it (RFC 7628 §3.2.2).
    """
    try:
        told = json.loads(challenge)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    return ", ".join(
        f"{name} {str(told[name])[:_LONGEST_REASON]}"
        for name in _REASONS
        if isinstance(told.get(name), str | int) and told[name] != ""
    )
