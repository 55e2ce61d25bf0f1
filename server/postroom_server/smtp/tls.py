"""TLS towards relays: 1.2 or newer, chain and name verified (RFC 8314, RFC 7817).

The name that is checked is the one that was configured, never one that DNS gave.
Relays with the same trust share one context, made once.  Switching verification off
is a relay's own setting and leaves only the encryption.
"""

from __future__ import annotations

import functools
import re
import ssl
from pathlib import Path

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.errors import NeedsAdministrator
from postroom_server.smtp.settings import RelaySettings

# RSA below 2048 bits and SHA-1 signatures are refused at this level.
_CIPHERS = "DEFAULT:!aNULL:!eNULL:!SHA1:@SECLEVEL=2"


def context_for(relay: RelaySettings) -> ssl.SSLContext:
    """The context of *relay*.  Raises `SessionError` if its CA file can't be used."""
    try:
        changed = Path(relay.tls_ca_file).stat().st_mtime_ns if relay.tls_ca_file else 0
        return _context(relay.tls_verify, relay.tls_ca_file, changed)
    except (OSError, ssl.SSLError) as error:
        raise NeedsAdministrator(
            Phase.TLS, FailureReason.TLS, f"the CA file can't be used: {error}"
        ) from error


@functools.lru_cache(maxsize=64)
def _context(verify: bool, ca_file: str, changed: int) -> ssl.SSLContext:  # noqa: ARG001, FBT001  a renewed file is another key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # RFC 6125 §6.4.4: the common name is no name of a host.
    context.hostname_checks_common_name = False
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs()
    return context


def unverified_context() -> ssl.SSLContext:
    """A context that trusts anything: to read a certificate, never to talk."""
    return _context(False, "", 0)


def is_distrust(error: Exception) -> bool:
    """Whether the handshake failed because we don't trust the certificate."""
    return isinstance(error, ssl.SSLCertVerificationError)


def problem_of(error: Exception) -> str:
    """Why the handshake failed, in a sentence without OpenSSL's file names."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "handshake failed").replace("_", " ").lower()
        return f"no agreement on TLS: {reason}"
    return f"the connection broke during the handshake: {error}"


_KEY_EXCHANGE = re.compile(r"(ECDHE|DHE)-(RSA|ECDSA|DSS)-(.+)")


def iana_name(cipher: str) -> str:
    """The IANA name of a suite that OpenSSL calls *cipher*."""
    found = _KEY_EXCHANGE.fullmatch(cipher)
    if found is None:
        return cipher
    rest = re.sub(r"AES(\d{3})", r"AES_\1", found[3]).replace("-", "_")
    if rest.endswith("POLY1305"):
        rest += "_SHA256"
    elif "AES" in rest and "GCM" not in rest and "CCM" not in rest:
        rest = rest.replace("_SHA", "_CBC_SHA")
    return f"TLS_{found[1]}_{found[2]}_WITH_{rest}"
