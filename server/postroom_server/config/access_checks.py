"""Rules of the listener's files and of credentials that a key's type can't say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from postroom_server.config.access_schema import CredentialTable, TlsTable
from postroom_server.config.errors import Finding, KeyPath
from postroom_server.config.schema import Root
from postroom_server.delivery.senders import sender_pattern
from postroom_server.domain.address import AddressProblem
from postroom_server.domain.clock import MICROSECONDS, Instant
from postroom_server.rpc.certificates import CertificateError, read_chain
from postroom_server.rpc.credentials import normal_name
from postroom_server.rpc.settings import TlsSettings

ID = re.compile(r"[a-z0-9_-]{1,63}")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
# A URI with its scheme (RFC 3986 §3.1), or a DNS name.
_NAME = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,2000}|(?=.{1,253}\Z)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"
)

Faults = Iterator[tuple[tuple[str, ...], str]]
"""Keys of a credential, the guilty one first, and what is wrong."""


def access_findings(root: Root) -> Iterator[Finding]:
    """All that is wrong with the listener's files and with credentials."""
    yield from _tls(root.server.tls)
    for name, credential in root.credentials.items():
        here: KeyPath = ("credentials", name)
        if not ID.fullmatch(name):
            yield Finding((here,), "a name is 1 to 63 of a-z, 0-9, _ and -")
        for keys, text in credential_faults(credential):
            yield Finding(tuple((*here, key) for key in keys), text)
        if credential.certificates and not root.server.tls.client_ca_file:
            needed: KeyPath = ("server", "tls", "client_ca_file")
            yield Finding(
                ((*here, "certificates"), needed), "needs server.tls.client_ca_file"
            )
    yield from _shared(root)


def _tls(tls: TlsTable) -> Iterator[Finding]:
    here: KeyPath = ("server", "tls")
    given = {name for name in TlsTable.model_fields if getattr(tls, name)}
    for key in ("cert_file", "key_file"):
        if given and key not in given:
            others = ((*here, name) for name in sorted(given))
            yield Finding(((*here, key), *others), "is required for TLS")
    if not {"cert_file", "key_file"} <= given:
        return
    try:
        read_chain(TlsSettings(**tls.model_dump()))
    except CertificateError as error:
        yield Finding(tuple((*here, name) for name in sorted(given)), str(error))


def credential_faults(credential: CredentialTable) -> Faults:
    """What is wrong with one credential."""
    if not credential.token_sha256 and not credential.certificates:
        yield ("token_sha256", "certificates"), "is required, or certificates"
    if not ID.fullmatch(credential.tenant):
        yield ("tenant",), "must be 1 to 63 of a-z, 0-9, _ and -"
    # Not the value: somebody may have put the token itself there.
    for place, digest in enumerate(credential.token_sha256):
        if not _SHA256.fullmatch(digest):
            text = f"entry {place + 1} is no SHA-256 in hexadecimal (64 of 0-9, a-f)"
            yield ("token_sha256",), text
    for name in credential.certificates:
        if not _NAME.fullmatch(name):
            yield ("certificates",), f"{name!r} is neither a URI nor a DNS name"
    yield from _senders(credential)
    try:
        instant_of(credential.expires_at)
    except ValueError:
        yield ("expires_at",), "must be a time with its zone, as 2027-01-31T00:00:00Z"


def _senders(credential: CredentialTable) -> Faults:
    if not credential.senders:
        yield ("senders",), 'must not be empty: nobody could be the sender ("*": any)'
    for pattern in credential.senders:
        try:
            sender_pattern(pattern)
        except AddressProblem as problem:
            yield ("senders",), f"{pattern!r} is no sender: {problem}"


def _shared(root: Root) -> Iterator[Finding]:
    """One token, or one name, must not be two callers."""
    for key, normal in (("token_sha256", str.lower), ("certificates", normal_name)):
        owners = [
            (entry, name)
            for name, credential in root.credentials.items()
            for entry in {normal(one) for one in getattr(credential, key)}
        ]
        counts = Counter(entry for entry, _ in owners)
        for name in sorted({name for entry, name in owners if counts[entry] > 1}):
            yield Finding((("credentials", name, key),), "is another credential's too")


def instant_of(text: str) -> Instant | None:
    """The time that *text* is; None for empty.  Raises `ValueError`."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return Instant(round(moment.timestamp() * MICROSECONDS))
