"""What TLS came to with a relay, for people; also when it was not trusted.

A handshake that fails for want of trust tells nothing of the certificate, so it is
read in a second one on a connection of its own.  Nothing is said on that one.
"""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass

from postroom_server.domain.attempt import Phase
from postroom_server.smtp.certificate import Certificate, parse_certificate
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.opening import Opening, Step
from postroom_server.smtp.settings import Encryption, RelaySettings
from postroom_server.smtp.timeouts import DeadlineSource
from postroom_server.smtp.tls import iana_name, unverified_context


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsReport:
    """*cipher* is the IANA name; *problem* is empty where verification is off."""

    version: str
    cipher: str
    verified: bool
    problem: str
    certificate: Certificate | None


def agreed_tls(opening: Opening) -> TlsReport | None:
    """What *opening*'s handshake came to; None when there was none."""
    tls = opening.dialogue.wire.tls
    return None if tls is None else _report(tls, opening.relay.tls_verify, "")


def distrusted_tls(
    relay: RelaySettings, problem: str, deadline: DeadlineSource
) -> TlsReport:
    """The relay's certificate, which was not trusted because of *problem*."""
    opening = Opening(relay, deadline)
    nothing = TlsReport(
        version="", cipher="", verified=False, problem=problem, certificate=None
    )
    with contextlib.closing(opening), contextlib.suppress(SessionError):
        for phase, step in _steps(opening):
            opening.take(phase, step)
        tls = opening.dialogue.wire.tls
        return nothing if tls is None else _report(tls, False, problem)
    return nothing


def _steps(opening: Opening) -> tuple[Step, ...]:
    """The steps up to the handshake, which then trusts anything."""

    def shake_hands() -> None:
        if opening.relay.encryption is Encryption.TLS:
            opening.ask_for_tls()
        opening.shake_hands(unverified_context())

    phases = [phase for phase, _ in opening.steps()]
    before = opening.steps()[: phases.index(Phase.TLS)]
    return (*before, (Phase.TLS, shake_hands))


def _report(tls: ssl.SSLSocket, verified: bool, problem: str) -> TlsReport:  # noqa: FBT001  a field of the report
    cipher = tls.cipher()
    der = tls.getpeercert(binary_form=True)
    return TlsReport(
        version=tls.version() or "",
        cipher=iana_name(cipher[0]) if cipher else "",
        verified=verified,
        problem=problem,
        certificate=parse_certificate(der) if der else None,
    )
