"""Who may call a method, and who calls: decided before anything is done for a call.

A token is looked up when the headers arrive (`admission`), so that whoever has none
never holds a thread that serves.  A client's certificate is known to the thread alone
that serves the call; it has passed TLS by then, so it is not anybody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from enum import Enum

import grpc

from postroom_server.domain.errors import CredentialRefused, MethodNotAllowed
from postroom_server.domain.principal import Principal
from postroom_server.rpc.credentials import Credentials

AUTHORIZATION = "authorization"

CALLER: ContextVar[Principal | None] = ContextVar("caller", default=None)
"""Whom the call's token stands for; set by admission for each call that has one."""


class Access(Enum):
    """Who may call a method.  Nobody, unless its row says otherwise."""

    NOBODY = "nobody"
    ADMINISTRATORS = "administrators"
    CALLERS = "every caller with a credential"
    ANYONE = "anyone, without a credential"

    def allows(self, principal: Principal) -> bool:
        """Whether *principal* may."""
        if self is Access.ADMINISTRATORS:
            return principal.is_administrator
        # No set: looking up a member of an enumeration in one runs Python.
        return self is Access.CALLERS or self is Access.ANYONE


def authorization_in(metadata: Iterable[tuple[str, str | bytes]] | None) -> str | None:
    """The credential that a call carries; None: none, empty: what can't be one."""
    found = None
    for key, value in metadata or ():
        if key == AUTHORIZATION:
            # Of two it is open which one the caller, or a proxy between us, means.
            found = value if found is None and isinstance(value, str) else ""
    return found


def identified(
    access: Access, credentials: Credentials, context: grpc.ServicerContext
) -> Principal | None:
    """Who makes the call; None where that does not matter.

    Raises `CredentialRefused` or `MethodNotAllowed`.
    """
    if access is Access.ANYONE:
        return None
    principal = CALLER.get() or credentials.of_peer(context.auth_context())
    if principal is None:
        raise refused()
    if not access.allows(principal):
        raise not_allowed()
    return principal


def refused() -> CredentialRefused:
    """The one answer to a credential that is missing, wrong or expired."""
    return CredentialRefused("a valid credential is required")


def not_allowed(
    why: str = "this credential may not call this method",
) -> MethodNotAllowed:
    """The answer to a caller whose role does not reach."""
    return MethodNotAllowed(why)
