"""Who a token or a client's certificate stands for; anything else is nobody.

Only the SHA-256 of a token is kept.  That is enough because tokens are random, with
more bits than anybody can try; it would not be for passwords that people choose, and so
what is shorter than `LEAST` is never looked up.  No answer tells whether a credential
was missing, unknown or expired.

Looking a token up costs the same whatever it is: one digest, one place in a table whose
order is random, and one comparison in constant time (threat D15).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from postroom_server.domain.clock import Clock, Instant
from postroom_server.domain.principal import (
    OWNER,
    Credential,
    Principal,
    several_tenants,
)
from postroom_server.rpc.certificates import CertificateError, not_after

LEAST, MOST = 32, 512
"""How many characters a token may have."""
SCHEME = "bearer "
"""RFC 6750 §2.1; the scheme's case means nothing (RFC 9110 §11.1)."""

Peer = Mapping[str, Any]
"""What gRPC knows about the other end of a connection (`auth_context`): lists of
octets, whatever its annotations say."""


_PEM = "x509_pem_cert"
_NOBODY: tuple[bytes, Credential | None] = (bytes(32), None)


class Credentials:
    """All credentials of a server; without any, every caller is its owner.

    *required*: callers have to say who they are; *by_certificate*: a client's
    certificate can stand for a credential.
    """

    def __init__(self, known: Iterable[Credential], clock: Clock) -> None:
        self._clock = clock
        self._known = tuple(known)
        self._by_digest = {
            d: (d, one) for one in self._known for d in one.token_digests
        }
        self._by_name = {
            normal_name(name): one for one in self._known for name in one.certificates
        }
        self.required = bool(self._known)
        self.by_certificate = bool(self._by_name)

    @property
    def of_several_tenants(self) -> bool:
        """Whether callers share the server with those of another tenant."""
        return several_tenants(self._known)

    def of_token(self, authorization: str) -> Principal | None:
        """Whom the header *authorization* stands for; None: nobody."""
        if not self.required:
            return OWNER
        digest = hashlib.sha256(_token_in(authorization).encode()).digest()
        kept, found = self._by_digest.get(digest, _NOBODY)
        return self._valid(found) if hmac.compare_digest(kept, digest) else None

    def of_peer(self, peer: Peer) -> Principal | None:
        """Whom the names in a client's certificate stand for; None: nobody.

        gRPC has verified the certificate, when the connection was made.
        """
        if not self.required:
            return OWNER
        if any(_end_of(pem) <= self._clock.now() for pem in peer.get(_PEM, ())):
            return None
        uris = (uri.decode(errors="replace") for uri in peer.get("peer_uri", ()))
        hosts = (host.decode(errors="replace") for host in peer.get("peer_dns", ()))
        # Neither kind can pass for the other.
        names = [uri for uri in uris if ":" in uri]
        names += [host.lower() for host in hosts if ":" not in host]
        found = {one for name in names if (one := self._by_name.get(name))}
        # One that would be two has no tenant of its own.
        return self._valid(found.pop() if len(found) == 1 else None)

    def _valid(self, found: Credential | None) -> Principal | None:
        if found is None or found.expired(self._clock.now()):
            return None
        return found.principal


@lru_cache(1024)
def _end_of(pem: bytes) -> Instant:
    """When the certificate ends; one that can't be read has ended."""
    try:
        return not_after(pem)
    except CertificateError:
        return Instant(0)


def normal_name(name: str) -> str:
    """A certificate's name as names are compared: hosts have no case, URIs do."""
    return name if ":" in name else name.lower()


def _token_in(authorization: str) -> str:
    if authorization[: len(SCHEME)].lower() != SCHEME:
        return ""
    token = authorization[len(SCHEME) :].strip(" ")
    return token if LEAST <= len(token) <= MOST and token.isascii() else ""
