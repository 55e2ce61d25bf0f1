"""Cursors: where a reader of events goes on, in a form that only we can make.

A cursor holds a place in the order of all events and until when everything before it
was seen; an HMAC (RFC 2104) under the store's epoch and the reader's tenant makes any
other not ours.  It may be used with another filter.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from postroom_server.delivery.watching import Position
from postroom_server.domain.clock import Clock, Instant, seconds_between
from postroom_server.domain.errors import CursorExpired, InvalidToken
from postroom_server.outbox.event_pages import START, Place

_LABEL = b"postroom cursor 1"
_SEAL = 16
_BODY = struct.Struct(">qqq")
_LENGTH = 4 * -(-(_SEAL + _BODY.size) // 3)
"""Characters of a cursor, the padding that is left out among them."""


@dataclass(frozen=True, slots=True)
class Cursors:
    """Makes and reads the cursors of the store whose epoch it is.

    They are good for *retention* seconds.
    """

    epoch: str
    retention: float
    clock: Clock

    def make(self, position: Position, tenant: str) -> str:
        """The cursor that stands for *position*, for *tenant* alone."""
        body = _BODY.pack(*position.place, position.as_of)
        return _text(self._seal(body, tenant) + body)

    def read(self, cursor: str, tenant: str) -> Position:
        """The position that *cursor* stands for.

        Raises `InvalidToken` when we did not make it for *tenant* and this store, and
        `CursorExpired` when what followed it may be gone.
        """
        raw = _decoded(cursor)
        seal, body = raw[:_SEAL], raw[_SEAL:]
        if not hmac.compare_digest(seal, self._seal(body, tenant)):
            raise InvalidToken("start_cursor is not one that we made for you")
        transaction, number, as_of = _BODY.unpack(body)
        if seconds_between(as_of, self.clock.now()) > self.retention:
            raise CursorExpired(self._oldest(tenant))
        return Position(Place(transaction, number), Instant(as_of))

    def _oldest(self, tenant: str) -> str:
        # What is told from there on is no older than is kept.
        return self.make(Position(START, self.clock.now()), tenant)

    def _seal(self, body: bytes, tenant: str) -> bytes:
        key = hashlib.sha256(_LABEL + self.epoch.encode()).digest()
        return hmac.digest(key, body + tenant.encode(), "sha256")[:_SEAL]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(cursor: str) -> bytes:
    if not cursor.isascii() or len(cursor) > _LENGTH:
        return b""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        return b""
    # One cursor has one spelling: what is skipped when decoding is not ours.
    return raw if _text(raw) == cursor else b""
