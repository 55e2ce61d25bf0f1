"""AUTH: who gets our credentials, and what becomes of the answers."""

from __future__ import annotations

import base64
import logging

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.secret import Secret
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.opening import Opening
from postroom_server.smtp.session import open_session

from tests.support.controls import Orders, a_mail
from tests.support.relays import PoliteRelay, challenges, plays, ready, then
from tests.support.scripted_relay import ScriptedRelay

CANARY = "canary-7c1e"
LOGIN = {"username": "ada", "password": Secret(CANARY)}
PLAIN = base64.b64encode(f"\0ada\0{CANARY}".encode()).decode()
goodbye = plays("C: QUIT\nS: 221 bye")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("mechanism", "dialogue"),
    [
        ("", f"C: AUTH PLAIN {PLAIN}\nS: 235 welcome"),
        ("PLAIN", f"C: AUTH PLAIN {PLAIN}\nS: 334\nC: {PLAIN}\nS: 235 welcome"),
        (
            "LOGIN",
            f"C: AUTH LOGIN {b64('ada')}\nS: 334 {b64('Password:')}\nC: {b64(CANARY)}\nS: 235 welcome",
        ),
        (
            "login",
            f"C: AUTH LOGIN {b64('ada')}\nS: 334 {b64('Username:')}\nC: {b64('ada')}\nS: 334 {b64('Password:')}\nC: {b64(CANARY)}\nS: 235 welcome",
        ),
        (
            "CRAM-MD5",
            f"C: AUTH CRAM-MD5\nS: 334 {b64('<1@relay>')}\nC: YWRhI[A-Za-z0-9+/]+=*\nS: 235 welcome",
        ),
    ],
)
def test_we_log_in_as_the_mechanism_wants(mechanism, dialogue):
    dialogue = dialogue.replace("+", r"\+") if mechanism != "CRAM-MD5" else dialogue
    script = then(ready("AUTH PLAIN LOGIN CRAM-MD5"), plays(dialogue), goodbye)
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(auth_mechanism=mechanism, **LOGIN))
        session.quit()

    assert session.auth_mechanism == (mechanism.upper() or "PLAIN")
    assert session.opening[-1].phase is Phase.AUTH


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        ("535 5.7.8 bad credentials", True),
        ("534 5.7.9 too weak", True),
        ("454 4.7.0 try later", False),
        ("530 5.7.0 no", True),
    ],
)
def test_refused_credentials_are_a_failure_of_authentication(answer, permanent):
    script = then(challenges(last=answer), goodbye)
    with ScriptedRelay(script) as relay, pytest.raises(SessionError) as failed:
        open_session(relay.settings(**LOGIN))

    assert (failed.value.phase, failed.value.reason) == (
        Phase.AUTH,
        FailureReason.AUTHENTICATION,
    )
    assert failed.value.permanent is permanent


@pytest.mark.parametrize(
    ("offer", "wanted"),
    [("AUTH CRAM-MD5 GSSAPI", ""), ("AUTH PLAIN", "LOGIN"), ("PIPELINING", "")],
)
def test_a_relay_without_a_way_to_log_in_is_a_failure_of_authentication(offer, wanted):
    script = PoliteRelay(extensions=(offer,))
    with ScriptedRelay(script) as relay, pytest.raises(SessionError) as failed:
        open_session(relay.settings(auth_mechanism=wanted, **LOGIN))

    assert failed.value.reason is FailureReason.AUTHENTICATION
    assert script.log_ins == []


def test_credentials_are_not_sent_in_clear_to_another_machine(monkeypatch):
    monkeypatch.setattr(Opening, "_local", False)
    script = PoliteRelay(extensions=("AUTH PLAIN",))
    with ScriptedRelay(script) as relay, pytest.raises(SessionError) as failed:
        open_session(relay.settings(**LOGIN))

    assert (failed.value.phase, failed.value.reason) == (Phase.AUTH, FailureReason.TLS)
    assert script.log_ins == []


@pytest.mark.parametrize(
    ("remote", "local"),
    [
        ("relay.example:25 [127.0.0.1]", True),
        ("[::1]:25 [::1]", True),
        ("localhost:25 [192.0.2.1]", False),
        ("x:25 [fe80::1%eth0]", False),
    ],
)
def test_only_the_address_that_was_reached_makes_a_relay_local(remote, local):
    with ScriptedRelay() as relay:
        opening = Opening(relay.settings(), lambda: None)
    opening.link = type(opening.link)(remote)

    assert opening._local is local


@pytest.mark.parametrize("challenge", ["S: 334 !!!", "S: 334 dGl"])
def test_a_challenge_that_is_no_base64_is_a_breach(challenge):
    script = then(ready("AUTH LOGIN"), plays(f"C: AUTH .+\n{challenge}"))
    with ScriptedRelay(script) as relay, pytest.raises(SessionError) as failed:
        open_session(relay.settings(**LOGIN))

    assert failed.value.reason is FailureReason.PROTOCOL


def test_a_log_in_without_end_is_a_breach():
    def script(peer) -> None:
        ready("AUTH LOGIN")(peer)
        try:
            while True:
                peer.line()
                peer.say("334 " + b64("Password:"))
        except EOFError:
            return

    with (
        ScriptedRelay(script) as relay,
        pytest.raises(SessionError, match="without end") as failed,
    ):
        open_session(relay.settings(**LOGIN))

    assert failed.value.reason is FailureReason.PROTOCOL


def test_nothing_of_the_credentials_is_ever_shown(caplog):
    caplog.set_level(logging.DEBUG)
    echo = f"535 5.7.8 you said {PLAIN} that is {CANARY} or {b64(CANARY)}"
    with ScriptedRelay(then(challenges(last=echo), goodbye)) as relay:
        settings = relay.settings(**LOGIN)
        with pytest.raises(SessionError) as failed:
            open_session(settings)

    shown = f"{settings!r} {failed.value} {failed.value!r} {failed.value.reply} {caplog.text}"
    for canary in (CANARY, b64(CANARY), PLAIN):
        assert canary not in shown


def test_what_the_relay_was_told_is_not_shown_when_it_says_it_later():
    script = then(
        ready("AUTH PLAIN"),
        plays(f"""
            C: AUTH PLAIN .+
            S: 235 2.7.0 welcome
            C: MAIL FROM:<.+
            S: 550 5.7.1 {PLAIN} may not, nor may {CANARY}
            C: RSET
            S: 250 ok
            C: QUIT
            S: 221 bye
        """),
    )
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(**LOGIN))
        report = session.transact(a_mail(), Orders())
        session.quit()

    assert str(report.mail) == "550 5.7.1 *** may not, nor may ***"
