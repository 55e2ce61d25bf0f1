"""The listener's certificate: read, checked as a whole, and read again when it changes.

gRPC asks at each handshake; connections that exist go on.  A pair that can't be used is
logged and the one before stays, so that half-written files cost nothing.  Whether a
certificate is still valid is the callers' to judge, but operators hear of it in time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from postroom_server.domain.clock import MICROSECONDS, Clock, Instant, seconds_between
from postroom_server.rpc.settings import TlsSettings

DAY = 86_400.0
SOON = 14 * DAY
"""Seconds before its end from which on a certificate is complained about."""
SETTLE = 0.2
"""Seconds that handshakes get to begin before the certificate is changed."""
LOOK = 30.0
"""Seconds between two looks at the files when nobody connects."""

LEAST_RSA = 2048
"""Bits; fewer can be broken."""

_log = structlog.get_logger(__name__)
_Stamp = Sequence[tuple[int, int, int]]


class CertificateError(ValueError):
    """The files can't be used; the text names the file and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A certificate with its key, as gRPC takes it; valid until *not_after*."""

    configuration: grpc.ServerCertificateConfiguration
    not_after: Instant


def read_chain(tls: TlsSettings) -> Chain:
    """What the files hold.  Raises `CertificateError`."""
    chain, key = _bytes_of(tls.cert_file), _bytes_of(tls.key_file)
    leaf = _certificates(chain, tls.cert_file)[0]
    try:
        fits = load_pem_private_key(key, None).public_key() == leaf.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Their words may hold parts of the key.
        text = f"{tls.key_file} is no private key in PEM, or needs a password"
        raise CertificateError(text) from None
    if not fits:
        text = f"the key in {tls.key_file} is not that of {tls.cert_file}"
        raise CertificateError(text)
    if not _serves_everybody(leaf.public_key()):
        text = f"the key of {tls.cert_file} must be ECDSA P-256, P-384, or RSA of 2048"
        raise CertificateError(f"{text} bits or more: callers' TLS has no other")
    roots = _bytes_of(tls.client_ca_file) if tls.client_ca_file else None
    if roots is not None:
        _certificates(roots, tls.client_ca_file)
    configuration = grpc.ssl_server_certificate_configuration([(key, chain)], roots)
    return Chain(configuration, _instant(leaf))


def _serves_everybody(key: CertificatePublicKeyTypes) -> bool:
    """Whether gRPC's TLS takes a key like that, here and at every caller's."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= LEAST_RSA
    curves = (ec.SECP256R1, ec.SECP384R1)
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, curves)


def not_after(pem: bytes) -> Instant:
    """The end of the first certificate in *pem*.  Raises `CertificateError`."""
    return _instant(_certificates(pem, "the client's certificate")[0])


class ServerCertificates:
    """Keeps the chain of *tls* up to date; `start` also looks when nobody connects.

    Raises `CertificateError` if the files can't be used from the first.
    """

    def __init__(self, tls: TlsSettings, clock: Clock) -> None:
        self._tls = tls
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = _stamp_of(tls)
        self._chain = read_chain(tls)
        self._given = self._chain
        self._warned_at: Instant | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="postroom-certificates", daemon=True
        )

    @property
    def not_after(self) -> Instant:
        """Until when the certificate in use is valid."""
        return self._chain.not_after

    def credentials(self) -> grpc.ServerCredentials:
        """What a port is opened with."""
        return grpc.dynamic_ssl_server_credentials(
            self._chain.configuration,
            # The annotations do not know that None stands for no change.
            self.changed,  # type: ignore[arg-type]
            require_client_authentication=bool(self._tls.client_ca_file),
        )

    def start(self) -> None:
        """Look at the files every now and then, until `close`."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The certificate, if it is another than gRPC was given last.

        gRPC calls this for each connection, one at a time, and then begins a handshake
        with what it has, unguarded: where it is given another certificate meanwhile,
        what it has is freed and the process dies (grpc/grpc#36693).  So whoever was
        told that nothing changed gets `SETTLE` to begin; others wait until then.
        """
        with self._lock:
            self._reload()
            if self._chain is self._given:
                return None
            time.sleep(SETTLE)
            self._given = self._chain
            return self._chain.configuration

    def look(self) -> None:
        """Read what has changed, and complain about what ends soon, once a day."""
        with self._lock:
            self._reload()
            now = self._clock.now()
            left = seconds_between(now, self._chain.not_after)
            told = self._warned_at
            if left > SOON or (told is not None and seconds_between(told, now) < DAY):
                return
            self._warned_at = now
        if left > 0:
            days = int(left / DAY)
            _log.warning("certificate.ends_soon", file=self._tls.cert_file, days=days)
        else:
            _log.error("certificate.expired", file=self._tls.cert_file)

    def _run(self) -> None:
        while not self._closed.wait(LOOK):
            self.look()

    def _reload(self) -> None:
        stamp = _stamp_of(self._tls)
        if stamp == self._stamp:
            return
        # What is written while we read has another stamp the next time.
        self._stamp = stamp
        try:
            self._chain = read_chain(self._tls)
        except CertificateError as error:
            _log.error("certificate.refused", problem=str(error))
            return
        self._warned_at = None
        _log.info("certificate.loaded", file=self._tls.cert_file)


def _stamp_of(tls: TlsSettings) -> _Stamp:
    return [_file_stamp(name) for name in tls.files]


def _file_stamp(name: str) -> tuple[int, int, int]:
    try:
        found = Path(name).stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _bytes_of(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CertificateError(f"can't read {name}: {error.strerror}") from None


def _certificates(pem: bytes, name: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise CertificateError(f"{name} holds no certificate in PEM") from None


def _instant(certificate: x509.Certificate) -> Instant:
    seconds = int(certificate.not_valid_after_utc.timestamp())
    return Instant(seconds * MICROSECONDS)
