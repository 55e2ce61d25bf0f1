"""Certificates for relays on loopback, good ones and bad ones (trustme, cryptography).

Each function gives the TLS context of a relay.  `authority_file` is what its clients
are to trust.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.tools import require_tool

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA()


@contextlib.contextmanager
def authority_file() -> Iterator[str]:
    """A file with the authority that the good certificates come from."""
    with authority().cert_pem.tempfile() as path:
        yield path


def good() -> ssl.SSLContext:
    """A certificate for 127.0.0.1 and localhost."""
    return _context_of(authority().issue_cert("127.0.0.1", "localhost"))


def expired() -> ssl.SSLContext:
    cert = authority().issue_cert(
        "127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO + timedelta(days=90)
    )
    return _context_of(cert)


def not_yet_valid() -> ssl.SSLContext:
    return _context_of(
        authority().issue_cert(
            "127.0.0.1", not_before=FAR_AWAY - timedelta(days=90), not_after=FAR_AWAY
        )
    )


def for_another_host() -> ssl.SSLContext:
    return _context_of(authority().issue_cert("mail.example.com"))


def without_address() -> ssl.SSLContext:
    """The address is only written as a DNS name, which is no IP SAN."""
    return _made(names=[x509.DNSName("127.0.0.1")])


def from_unknown_authority() -> ssl.SSLContext:
    return _context_of(trustme.CA().issue_cert("127.0.0.1"))


def without_intermediate() -> ssl.SSLContext:
    """The chain lacks the link to the authority."""
    cert = authority().create_child_ca().issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with cert.private_key_and_cert_chain_pem.tempfile() as path:
        pems = Path(path).read_bytes()
    cut = pems.index(b"-----END CERTIFICATE-----") + len(b"-----END CERTIFICATE-----")
    _load(context, pems[:cut] + b"\n")
    return context


def self_signed() -> ssl.SSLContext:
    return _made(signed_by_itself=True)


def common_name_only() -> ssl.SSLContext:
    return _made(names=[])


def of_a_client() -> ssl.SSLContext:
    """Good for clients only (extended key usage)."""
    return _made(usage=ExtendedKeyUsageOID.CLIENT_AUTH)


def with_a_short_key() -> ssl.SSLContext:
    """RSA with 1024 bits; the relay itself must be told to put up with it."""
    return _made(bits=1024)


def signed_with_sha1() -> ssl.SSLContext:
    """By the good authority, with a digest that can be forged.

    The library refuses to make one; the program openssl does not.
    """
    openssl = require_tool("openssl")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    with tempfile.TemporaryDirectory() as folder:
        key, root, cert = (Path(folder, name) for name in ("key", "root", "cert"))
        ours = authority()
        root.write_bytes(ours.private_key_pem.bytes() + ours.cert_pem.bytes())
        asked = subprocess.run(
            [openssl, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, *subject],
            check=True,
            capture_output=True,
        )
        subprocess.run(
            [
                *(openssl, "x509", "-req", "-sha1", "-days", "1", "-CA", root),
                *("-CAcreateserial", "-copy_extensions", "copy", "-out", cert),
            ],
            input=asked.stdout,
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.load_cert_chain(cert, key)
    return context


def tls_1_1_only() -> ssl.SSLContext:
    context = good()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def tls_1_2_only() -> ssl.SSLContext:
    context = good()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _context_of(cert: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    return context


def _made(
    *,
    names: list[x509.GeneralName] | None = None,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    bits: int = 2048,
    signed_by_itself: bool = False,
) -> ssl.SSLContext:
    key = rsa.generate_private_key(65537, bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    root = x509.load_pem_x509_certificate(authority().cert_pem.bytes())
    root_key = serialization.load_pem_private_key(
        authority().private_key_pem.bytes(), None
    )
    sans = [x509.IPAddress(ip_address("127.0.0.1"))] if names is None else names
    today = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if signed_by_itself else root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if sans:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(sans), critical=False
        )
    cert = builder.sign(key if signed_by_itself else root_key, hashes.SHA256())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    private = key.private_bytes(*form, serialization.NoEncryption())
    _load(context, private + cert.public_bytes(serialization.Encoding.PEM))
    return context


def _load(context: ssl.SSLContext, pems: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pems)
        file.flush()
        context.load_cert_chain(file.name)
