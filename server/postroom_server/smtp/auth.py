"""How we log in: SASL mechanisms as small responders (RFC 4954, 4616, 2195).

A responder gives text for the relay and never keeps or prints what it gave.  PLAIN and
LOGIN are chosen by themselves, CRAM-MD5 only when it is asked for by name: it keeps
the relay from storing the password well and is no protection beside TLS.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from postroom_server.domain.secret import Secret


class Responder(Protocol):
    """One log-in by one mechanism."""

    def initial(self) -> bytes | None:
        """What to send beside AUTH; None: the relay speaks first."""

    def answer(self, challenge: bytes) -> bytes:
        """What to answer to *challenge*."""


class Plain:
    """RFC 4616."""

    def __init__(self, username: str, password: Secret) -> None:
        self._username, self._password = username, password

    def initial(self) -> bytes:
        return f"\0{self._username}\0{self._password.reveal()}".encode()

    def answer(self, challenge: bytes) -> bytes:  # noqa: ARG002  it has nothing to say
        # Some relays ask again, with an empty challenge, for what came with AUTH.
        return self.initial()


class Login:
    """The widely used mechanism without an RFC: user name, then password."""

    def __init__(self, username: str, password: Secret) -> None:
        self._username, self._password = username, password

    def initial(self) -> bytes:
        return self._username.encode()

    def answer(self, challenge: bytes) -> bytes:
        # Relays that take no initial response ask for the name once more.
        if challenge.strip().lower().startswith(b"user"):
            return self.initial()
        return self._password.reveal().encode()


class CramMd5:
    """RFC 2195."""

    def __init__(self, username: str, password: Secret) -> None:
        self._username, self._password = username, password

    def initial(self) -> None:
        return None

    def answer(self, challenge: bytes) -> bytes:
        key = self._password.reveal().encode()
        return (
            f"{self._username} {hmac.new(key, challenge, 'md5').hexdigest()}".encode()
        )


MECHANISMS: Mapping[str, Callable[[str, Secret], Responder]] = MappingProxyType(
    {"PLAIN": Plain, "LOGIN": Login, "CRAM-MD5": CramMd5}
)
CUT = b"***"
"""Stands where a secret was cut out."""
_SHORTEST_SECRET = 4
_BY_THEMSELVES = ("PLAIN", "LOGIN")


def choose(
    wanted: str,
    offered: Iterable[str],
    known: Collection[str] = MECHANISMS,
    preferred: Sequence[str] = _BY_THEMSELVES,
) -> str | None:
    """The mechanism to use, or None when the relay offers none that fits.

    It is one of *known*: the one *wanted*, or else the first of *preferred*.
    """
    acceptable = (wanted.upper(),) if wanted else preferred
    offers = set(offered)
    return next((m for m in acceptable if m in offers and m in known), None)


def encoded(response: bytes) -> str:
    """*response* as it goes on a line of its own; an empty one is an empty line."""
    return base64.b64encode(response).decode()


def decoded(lines: Iterable[bytes]) -> bytes:
    """The challenge in a 334 reply.  Raises `ValueError` when it is no base64."""
    try:
        return base64.b64decode(b"".join(lines).strip(), validate=True)
    except binascii.Error as error:
        raise ValueError("a challenge that is no base64") from error


def disguises(secret: str) -> list[bytes]:
    """*secret* and how it reads in base64, alone and wherever in a longer text."""
    octets = secret.encode()
    inside = [base64.b64encode(b"\0" * shift + octets) for shift in range(3)]
    # What stands around it shows in its first and its last four characters.
    cores = [text[4 if shift else 0 : -4] for shift, text in enumerate(inside)]
    return [octets, inside[0], *cores]


def redacted(lines: Iterable[bytes], secrets: Iterable[bytes]) -> tuple[bytes, ...]:
    """*lines* without any of *secrets*: a relay may say back what it was told.

    The longest go first: one may hold another.  The shortest are no secrets, and to cut
    them out would tear codes apart.
    """
    cleaned = tuple(lines)
    hidden = (secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)
    for secret in sorted(hidden, key=len, reverse=True):
        cleaned = tuple(line.replace(secret, CUT) for line in cleaned)
    return cleaned
