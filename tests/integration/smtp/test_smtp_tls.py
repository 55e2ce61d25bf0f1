"""STARTTLS, implicit TLS, and every way in which a relay can spoil them."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.secret import Secret
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.session import open_session
from postroom_server.smtp.settings import Encryption

from tests.support import certificates, relays
from tests.support.controls import Orders, a_mail
from tests.support.relays import PoliteRelay
from tests.support.scripted_relay import Peer, ScriptedRelay

MODES = [Encryption.TLS, Encryption.SSL]
LOGIN = {"username": "ada", "password": Secret("canary-7c1e")}
BAD = [
    certificates.expired,
    certificates.not_yet_valid,
    certificates.for_another_host,
    certificates.without_address,
    certificates.from_unknown_authority,
    certificates.without_intermediate,
    certificates.self_signed,
    certificates.common_name_only,
    certificates.of_a_client,
    certificates.with_a_short_key,
    certificates.tls_1_1_only,
]


def secured(context: ssl.SSLContext, mode: Encryption) -> PoliteRelay:
    return PoliteRelay(
        extensions=("PIPELINING", "AUTH PLAIN"),
        tls=context,
        implicit=mode is Encryption.SSL,
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", [certificates.good, certificates.tls_1_2_only])
def test_mail_goes_out_under_tls(mode, make, ca_file):
    script = secured(make(), mode)
    with ScriptedRelay(script) as relay:
        session = open_session(
            relay.settings(encryption=mode, tls_ca_file=ca_file, **LOGIN)
        )
        large = a_mail(b"x" * 70 + b"\r\n" * 1, b"0123456789\r\n" * 100_000)
        reports = [session.transact(mail, Orders()) for mail in (a_mail(), large)]
        pending = session.pending()
        session.quit()

    assert session.tls_version in {"TLSv1.2", "TLSv1.3"}
    assert [r.accepted for r in reports] == [True, True]
    assert script.mails[1].content == b"".join(large.chunks)
    assert not pending


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_relay_that_can_not_be_trusted_gets_neither_log_in_nor_mail(
    mode, make, ca_file
):
    script = secured(make(), mode)
    with ScriptedRelay(script) as relay, pytest.raises(SessionError) as failed:
        open_session(relay.settings(encryption=mode, tls_ca_file=ca_file, **LOGIN))

    assert (failed.value.phase, failed.value.reason) == (Phase.TLS, FailureReason.TLS)
    assert not failed.value.permanent
    assert "AUTH" not in script.verbs
    assert "MAIL" not in script.verbs


@pytest.mark.parametrize(
    "make", [certificates.self_signed, certificates.for_another_host]
)
def test_trust_can_be_switched_off_for_one_relay(make):
    script = secured(make(), Encryption.TLS)
    with ScriptedRelay(script) as relay:
        session = open_session(
            relay.settings(encryption=Encryption.TLS, tls_verify=False)
        )
        session.quit()

    assert session.tls_version == "TLSv1.3"


@pytest.mark.parametrize(
    "script",
    [
        relays.strips_starttls,
        relays.refuses_starttls("454"),
        relays.refuses_starttls("501"),
        relays.refuses_starttls("554"),
        relays.injects_after_220(b"250-relay\r\n250 AUTH PLAIN\r\n"),
        relays.injects_after_220(b"250 par"),
        relays.injects_after_220(b"\n"),
    ],
)
def test_a_relay_that_spoils_starttls_gets_neither_log_in_nor_mail(script):
    with (
        ScriptedRelay(relays.then(script)) as relay,
        pytest.raises(SessionError) as failed,
    ):
        open_session(relay.settings(encryption=Encryption.TLS, **LOGIN))

    assert (failed.value.phase, failed.value.reason) == (Phase.TLS, FailureReason.TLS)
    assert not any(b"AUTH" in said or b"MAIL" in said for said in relay.heard)


@pytest.mark.parametrize("code", ["250", "354"])
def test_only_220_lets_the_handshake_begin(code):
    with (
        ScriptedRelay(relays.refuses_starttls(code)) as relay,
        pytest.raises(SessionError) as failed,
    ):
        open_session(relay.settings(encryption=Encryption.TLS, **LOGIN))

    assert failed.value.reason is FailureReason.PROTOCOL


def test_text_in_the_segment_after_220_is_no_handshake():
    def script(peer: Peer) -> None:
        relays.ready("STARTTLS")(peer)
        peer.expect("STARTTLS")
        peer.say("220 go ahead")
        # The client's first message of the handshake.
        peer.socket.recv(4096)
        peer.say("250-relay", "250 AUTH PLAIN")
        with contextlib.suppress(OSError):
            peer.socket.recv(4096)

    with ScriptedRelay(script) as relay, pytest.raises(SessionError) as failed:
        open_session(relay.settings(encryption=Encryption.TLS, **LOGIN))

    assert failed.value.reason is FailureReason.TLS


def test_what_was_offered_before_tls_is_forgotten(ca_file):
    def script(peer: Peer) -> None:
        relays.ready("STARTTLS", "CHUNKING", "SIZE 5", "AUTH CRAM-MD5")(peer)
        peer.expect("STARTTLS")
        peer.say("220 go ahead")
        peer.start_tls(certificates.good())
        peer.play("C: EHLO .+\nS: 250-relay\nS: 250 PIPELINING\nC: QUIT\nS: 221 bye")

    with ScriptedRelay(script) as relay:
        session = open_session(
            relay.settings(encryption=Encryption.TLS, tls_ca_file=ca_file)
        )
        session.quit()

    assert session.extensions.lines == ("PIPELINING",)


def test_a_session_without_tls_does_not_want_any():
    script = PoliteRelay(tls=certificates.good())
    with ScriptedRelay(script) as relay:
        open_session(relay.settings()).quit()

    assert "STARTTLS" not in script.verbs


def test_a_relay_that_hangs_up_in_the_handshake_is_no_question_of_trust():
    with ScriptedRelay(Peer.reset) as relay, pytest.raises(SessionError) as failed:
        open_session(relay.settings(encryption=Encryption.SSL))

    assert failed.value.reason is FailureReason.NETWORK
    assert not failed.value.permanent
