"""Who calls: a name for the log, a tenant, a role, and the senders it may use.

Whoever calls is one of these before anything is done for them.  What a role may do is
said where methods are listed (`rpc.methods`); where no credentials are configured,
every caller is `OWNER`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from postroom_server.domain.clock import Instant

DEFAULT_TENANT = "default"
ANY_SENDER = "*"
"""Stands for every address; before a domain, "*@example.com", for all of that one."""


class Role(Enum):
    """What a caller is trusted with."""

    SENDER = "sender"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller; *senders* are patterns as `delivery.senders` reads them.

    *name* is that of its credential, empty where there are none.
    """

    name: str = ""
    tenant: str = DEFAULT_TENANT
    role: Role = Role.SENDER
    senders: tuple[str, ...] = (ANY_SENDER,)

    @property
    def is_administrator(self) -> bool:
        """Whether it may see what belongs to nobody: pools, relays, all tenants."""
        return self.role is Role.ADMINISTRATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What proves that a caller is *principal*, until *expires_at*.

    *token_digests* are SHA-256; *certificates* are names in a client's certificate, a
    URI or a DNS name (RFC 5280 §4.2.1.6).
    """

    principal: Principal
    token_digests: tuple[bytes, ...] = ()
    certificates: tuple[str, ...] = ()
    expires_at: Instant | None = None

    def expired(self, now: Instant) -> bool:
        """Whether it proves nothing any more."""
        return self.expires_at is not None and self.expires_at <= now


def several_tenants(credentials: Iterable[Credential]) -> bool:
    """Whether what one caller takes may be missing to another tenant."""
    return len({one.principal.tenant for one in credentials}) > 1


OWNER = Principal(role=Role.ADMINISTRATOR)
"""The one user of a server without credentials."""
