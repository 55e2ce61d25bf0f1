"""A certificate that anybody may have written is read, or given up, and never fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from postroom_server.smtp.certificate import parse_certificate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def der():
    """A certificate with two private extensions, in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay\x1b[2J")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOON)
        .not_valid_after(NOON + timedelta(days=1))
    )
    for number in (98, 99):
        oid = x509.ObjectIdentifier(f"2.5.29.{number}")
        private = x509.UnrecognizedExtension(oid, b"\x05\x00")
        builder = builder.add_extension(private, critical=False)
    made = builder.sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def test_names_are_safe_to_show(der):
    found = parse_certificate(der)

    assert found is not None
    assert found.subject == found.issuer == "CN=relay\\x1b[2J"


@pytest.mark.parametrize(
    ("sound", "broken"),
    [
        (b"\x06\x03\x55\x1d\x63", b"\x06\x03\x55\x1d\x62"),  # one extension twice
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09"),  # version 10
        (b"\x06\x03\x55\x1d", b"\x06\x7f\x55\x1d"),  # no DER
    ],
    ids=["extension twice", "version", "length"],
)
def test_one_that_makes_no_sense_is_given_up(der, sound, broken):
    assert sound in der
    assert parse_certificate(der.replace(sound, broken)) is None
