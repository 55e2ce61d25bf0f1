"""The keys of ``[server.tls]`` and ``[credentials.ID]``."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from postroom_server.config.keys import Table, hidden, key
from postroom_server.domain.principal import ANY_SENDER, DEFAULT_TENANT, Role

_MOST = 100
"""Entries of a list."""


def _text_of(value: object) -> object:
    """TOML has times of its own; the environment has text."""
    return value.isoformat() if isinstance(value, date) else value


class TlsTable(Table):
    """How the listener is encrypted, and who may connect."""

    cert_file: str = key(
        "",
        "The listener's certificate and those between it and its authority, as PEM; "
        "read again when it changes. Empty: no TLS.",
    )
    key_file: str = key("", "The private key of cert_file, as PEM.")
    client_ca_file: str = key(
        "",
        "Authorities of clients, as PEM: every client must then show a certificate "
        "of theirs. Empty: clients show none.",
    )


class CredentialTable(Table):
    """Who a caller is that has one of these tokens or certificates."""

    tenant: str = key(
        DEFAULT_TENANT, "Whose mail the caller's is: 1 to 63 of a-z, 0-9, _ and -."
    )
    role: Literal["sender", "administrator"] = key(
        Role.SENDER.value,
        "sender: its tenant's mail; administrator: also TestConnection, pools, relays "
        "and the numbers of every tenant.",
    )
    senders: Annotated[list[str], Field(max_length=_MOST)] = key(
        [ANY_SENDER],
        'Who may stand in From, Sender and envelope_from: addresses, "*@example.com" '
        'for all of that domain, "*" for any.',
    )
    token_sha256: Annotated[list[str], Field(max_length=_MOST)] = hidden(
        key(
            [],
            "SHA-256 of each token, in hexadecimal; several while tokens are changed. "
            "`postroomd token create` makes one.",
            otherwise="(required, or certificates)",
        )
    )
    certificates: Annotated[list[str], Field(max_length=_MOST)] = key(
        [],
        "Names in a client's certificate (URI or DNS name) that stand for the "
        "credential; needs server.tls.client_ca_file.",
    )
    expires_at: Annotated[str, BeforeValidator(_text_of)] = key(
        "", "When it ends, as 2027-01-31T00:00:00Z; empty: never."
    )
