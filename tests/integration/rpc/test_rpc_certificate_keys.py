"""Keys of our own certificate: no other is taken than every caller's TLS can use."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from postroom_server.domain.clock import SystemClock
from postroom_server.rpc.certificates import (
    CertificateError,
    ServerCertificates,
    read_chain,
)
from postroom_server.rpc.settings import TlsSettings

from tests.support.callers import client_certificate, tls_files

NAME = x509.DNSName("localhost")


@pytest.fixture
def files(tmp_path):
    return tls_files(tmp_path)


@pytest.fixture
def settings(files):
    return TlsSettings(cert_file=str(files.cert), key_file=str(files.key))


def put(files, key):
    private, cert = client_certificate(NAME, key=key)
    files.key.write_bytes(private)
    files.cert.write_bytes(cert)


# Such a key would be loaded, and no handshake would succeed, or each be forged.
UNFIT = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "P-224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "RSA 1024": lambda: rsa.generate_private_key(65537, 1024),
}


@pytest.mark.parametrize("make", UNFIT.values(), ids=UNFIT)
def test_a_key_that_no_caller_could_use_changes_nothing(files, settings, make):
    kept = ServerCertificates(settings, SystemClock())
    put(files, make())

    assert kept.changed() is None
    with pytest.raises(CertificateError, match="must be ECDSA P-256, P-384, or RSA"):
        read_chain(settings)


FIT = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("make", FIT.values(), ids=FIT)
def test_a_key_that_every_caller_can_use_is_taken(files, settings, make):
    kept = ServerCertificates(settings, SystemClock())
    put(files, make())

    assert kept.changed() is not None


def test_a_key_with_a_password_is_told(files, settings):
    key = form.load_pem_private_key(files.key.read_bytes(), None)
    encryption = form.BestAvailableEncryption(b"hunter2")
    files.key.write_bytes(
        key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, encryption)
    )
    with pytest.raises(CertificateError, match="needs a password"):
        read_chain(settings)
