"""A relay's certificate, as far as people need it to see what is wrong.

Anybody can write one: whatever it holds must not end the report, and its names are
made safe to show (threat C8).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from postroom_server.domain.clock import MICROSECONDS, Instant
from postroom_server.domain.text import printable

_LONGEST = 1024
"""Octets of a name that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Subject and issuer in RFC 4514 form; *names* are DNS names and addresses."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: Instant
    not_after: Instant
    sha256: bytes


def parse_certificate(der: bytes) -> Certificate | None:
    """The certificate in *der*; None when it can't be read."""
    try:
        found = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=printable(found.subject.rfc4514_string(), _LONGEST),
            issuer=printable(found.issuer.rfc4514_string(), _LONGEST),
            names=_names(found),
            not_before=_instant(found.not_valid_before_utc),
            not_after=_instant(found.not_valid_after_utc),
            sha256=hashlib.sha256(der).digest(),
        )
    except Exception:  # noqa: BLE001  some faults have errors of no common class
        return None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        return ()
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    return tuple(printable(name, _LONGEST) for name in (*hosts, *map(str, addresses)))


def _instant(moment: datetime) -> Instant:
    return Instant(int(moment.timestamp()) * MICROSECONDS)
