"""Page tokens: where a listing goes on, in a form that only we can make.

A token holds the last delivery's (accepted_at, id), the digest of the filter that it
belongs to, and when it was made; an HMAC over all of it (RFC 2104) makes anything else
not ours.  The key comes from the store's secret, so that every process that serves it
reads the others' tokens.  A token holds nothing that its caller was not told before.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

from postroom_server.delivery.fingerprint import of_values
from postroom_server.domain.clock import Instant, seconds_between
from postroom_server.domain.errors import InvalidToken
from postroom_server.outbox.store import DeliveryQuery

VALID = 86_400.0
"""Seconds that a token is good for."""
LONGEST = 512
"""Octets of a token: what is longer is none of ours, and is not decoded."""

_LABEL = b"postroom page token 1"
_SEAL = 16
_DIGEST = 16
_TIMES = struct.Struct(">qq")

Position = tuple[Instant, str]
"""The (accepted_at, id) of the last delivery of a page."""


class PageTokens:
    """Makes and reads the page tokens of the store whose secret is *secret*."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.sha256(_LABEL + secret).digest()

    def make(self, last: Position, query: DeliveryQuery, now: Instant) -> str:
        """The token for what follows *last* in the listing of *query*."""
        accepted_at, delivery_id = last
        body = _TIMES.pack(accepted_at, now) + _digest(query) + delivery_id.encode()
        return urlsafe_b64encode(self._seal(body) + body).decode().rstrip("=")

    def read(self, token: str, query: DeliveryQuery, now: Instant) -> Position:
        """Where the page that *token* asks for begins.

        Raises `InvalidToken` when we did not make it, for another filter than that of
        *query*, or when it is too old.
        """
        raw = _decoded(token)
        seal, body = raw[:_SEAL], raw[_SEAL:]
        if not hmac.compare_digest(seal, self._seal(body)):
            raise InvalidToken("page_token is not one that we made")
        accepted_at, made_at = _TIMES.unpack_from(body)
        if body[_TIMES.size : _TIMES.size + _DIGEST] != _digest(query):
            raise InvalidToken("page_token belongs to another filter")
        if seconds_between(made_at, now) > VALID:
            raise InvalidToken("page_token is older than 24 h")
        return accepted_at, body[_TIMES.size + _DIGEST :].decode()

    def _seal(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_SEAL]


def _decoded(token: str) -> bytes:
    if not token.isascii() or len(token) > LONGEST:
        return b""
    try:
        # One token has one spelling: what is skipped when decoding is not ours.
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
    return raw if urlsafe_b64encode(raw).decode().rstrip("=") == token else b""


def _digest(query: DeliveryQuery) -> bytes:
    """What tells filters apart: all of *query* but where the page begins and ends."""
    return of_values(
        tenant=query.tenant,
        statuses=sorted(query.statuses),
        relay=query.relay,
        recipient=query.recipient,
        message_id=query.message_id,
        tag=query.tag,
        metadata=query.metadata,
        accepted_from=query.accepted_from,
        accepted_before=query.accepted_before,
    )[:_DIGEST]
