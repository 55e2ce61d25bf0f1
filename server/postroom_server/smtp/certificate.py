"""A relay's certificate, as far as people need it to see what is wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from postroom_server.domain.clock import MICROSECONDS, Instant


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
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            names=_names(found),
            not_before=_instant(found.not_valid_before_utc),
            not_after=_instant(found.not_valid_after_utc),
            sha256=hashlib.sha256(der).digest(),
        )
    except ValueError:
        # The relay wrote it; whatever it holds must not end the report.
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
    return (*hosts, *map(str, addresses))


def _instant(moment: datetime) -> Instant:
    return Instant(int(moment.timestamp()) * MICROSECONDS)
