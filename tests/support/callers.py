"""Callers of a service that wants to know who they are: tokens, and files for TLS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
)
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom_server.config.tokens import new_token
from postroom_server.domain.principal import Credential, Principal, Role

from tests.support.certificates import authority

LOCAL = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
]


@dataclass(frozen=True)
class Caller:
    """Somebody with a token."""

    token: str
    credential: Credential

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return bearer(self.token)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def a_caller(
    name: str = "web", role: Role = Role.SENDER, tenant: str = "acme", **fields: Any
) -> Caller:
    """A caller with a token of its own; *fields* are those of `Credential`."""
    token = new_token()
    senders = fields.pop("senders", ("*",))
    principal = Principal(name=name, tenant=tenant, role=role, senders=senders)
    digest = hashlib.sha256(token.encode()).digest()
    credential = Credential(principal=principal, token_digests=(digest,), **fields)
    return Caller(token, credential)


@dataclass(frozen=True)
class TlsFiles:
    """Where a server has its certificate, and what its callers are to trust."""

    folder: Path

    @property
    def cert(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def renew(self, leaf: trustme.LeafCert | None = None) -> trustme.LeafCert:
        """Put another certificate in the place of the one before."""
        leaf = leaf or authority().issue_cert("127.0.0.1", "localhost")
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        for path, data in (
            (self.key, leaf.private_key_pem.bytes()),
            (self.cert, chain),
        ):
            replacement = path.with_suffix(".new")
            replacement.write_bytes(data)
            replacement.replace(path)
        return leaf


def tls_files(folder: Path) -> TlsFiles:
    """Files with a good certificate for the loopback."""
    files = TlsFiles(folder)
    files.renew()
    files.authority.write_bytes(authority().cert_pem.bytes())
    return files


def client_certificate(
    *names: x509.GeneralName,
    ends_in: timedelta = timedelta(days=1),
    use: x509.ObjectIdentifier | None = None,
    key: CertificateIssuerPrivateKeyTypes | None = None,
) -> tuple[bytes, bytes]:
    """Key and certificate of a client with these names, by the good authority.

    *use* is what alone it is for.
    """
    ca = authority()
    root = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    root_key = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + ends_in)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
    )
    if use is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    cert = builder.sign(root_key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, cert.public_bytes(serialization.Encoding.PEM)


@contextmanager
def secure_channel(
    address: str, client: Sequence[bytes] = ()
) -> Iterator[grpc.Channel]:
    """A connection of its own that trusts the good authority; *client*: key and
    certificate."""
    trusted = authority().cert_pem.bytes()
    credentials = grpc.ssl_channel_credentials(trusted, *client)
    with grpc.secure_channel(address, credentials, options=LOCAL) as channel:
        yield channel


def stub(channel: grpc.Channel) -> DeliveryServiceStub:
    return DeliveryServiceStub(channel)
