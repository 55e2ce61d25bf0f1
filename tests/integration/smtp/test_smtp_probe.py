"""TestConnection: every stage told, whatever the relay does."""

from __future__ import annotations

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.secret import Secret
from postroom_server.smtp.probe import probe
from postroom_server.smtp.probe_report import StageResult
from postroom_server.smtp.settings import Encryption
from postroom_server.smtp.timeouts import NO_DEADLINE, Deadline, Timeouts

from tests.support import certificates, relays
from tests.support.relays import ALL_EXTENSIONS, PoliteRelay
from tests.support.scripted_relay import Peer, ScriptedRelay

SENDER = "me@example.com"
CANARY = "canary-7c1e"
LOGIN = {"username": "ada", "password": Secret(CANARY)}
OK, WARNING, FAILED, SKIPPED = (StageResult(n) for n in (1, 2, 3, 4))


def probed(script, sender: str = SENDER, deadline: Deadline = NO_DEADLINE, **settings):
    with ScriptedRelay(script) as relay:
        return probe(relay.settings(**settings), sender, deadline)


def results(report) -> dict[Phase, StageResult]:
    return {stage.phase: stage.result for stage in report.stages}


def stage(report, phase: Phase):
    return next(s for s in report.stages if s.phase is phase)


def test_a_relay_in_order_passes_every_stage(ca_file):
    script = PoliteRelay(
        extensions=(*ALL_EXTENSIONS, "AUTH PLAIN"), tls=certificates.good()
    )
    report = probed(script, encryption=Encryption.TLS, tls_ca_file=ca_file, **LOGIN)

    assert [s.phase.name for s in report.stages] == [
        "DNS",
        "CONNECT",
        "GREETING",
        "EHLO",
        "TLS",
        "AUTH",
        "VRFY",
        "MAIL",
        "RSET",
        "QUIT",
    ]
    assert {s.result for s in report.stages} == {OK}
    assert report.ok
    assert report.auth_mechanism == "PLAIN"
    assert report.size_limit == 10485760
    assert "CHUNKING" in report.extensions
    assert "STARTTLS" not in report.extensions
    assert report.diagnosis == "Mail can be sent over TLSv1.3, logged in by PLAIN."
    assert stage(report, Phase.GREETING).reply.code == 220
    assert 0 < report.seconds < 10
    assert script.mails == []


def test_the_certificate_is_shown(ca_file):
    script = PoliteRelay(tls=certificates.good(), implicit=True)
    report = probed(script, encryption=Encryption.SSL, tls_ca_file=ca_file)

    assert report.tls.verified
    assert report.tls.problem == ""
    assert report.tls.version == "TLSv1.3"
    assert report.tls.cipher.startswith("TLS_")
    assert report.tls.certificate.names == ("localhost", "127.0.0.1")
    assert [s.phase.name for s in report.stages][:3] == ["DNS", "CONNECT", "TLS"]


@pytest.mark.parametrize("mode", [Encryption.TLS, Encryption.SSL])
@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (certificates.expired, "certificate has expired"),
        (certificates.for_another_host, "IP address mismatch"),
        (certificates.self_signed, "self-signed certificate"),
        (certificates.from_unknown_authority, "unable to get local issuer"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_shown_all_the_same(
    mode, make, problem, ca_file
):
    script = PoliteRelay(
        tls=make(), implicit=mode is Encryption.SSL, extensions=("AUTH PLAIN",)
    )
    report = probed(script, encryption=mode, tls_ca_file=ca_file, **LOGIN)

    assert not report.ok
    assert results(report)[Phase.TLS] is FAILED
    assert stage(report, Phase.TLS).reason is FailureReason.TLS
    assert results(report)[Phase.AUTH] is SKIPPED
    assert problem in report.tls.problem
    assert problem in report.diagnosis
    assert not report.tls.verified
    assert report.extensions == ()
    assert len(report.tls.certificate.sha256) == 32
    assert set(script.verbs) <= {"EHLO", "STARTTLS"}
    assert script.verbs.count("EHLO") == (2 if mode is Encryption.TLS else 0)


def test_trust_that_is_switched_off_is_a_warning():
    script = PoliteRelay(tls=certificates.self_signed())
    report = probed(script, encryption=Encryption.TLS, tls_verify=False)

    assert report.ok
    assert results(report)[Phase.TLS] is WARNING
    assert not report.tls.verified
    assert report.tls.problem == ""
    assert "not verified" in report.diagnosis


@pytest.mark.parametrize(
    ("script", "tls_stage", "words"),
    [
        (
            PoliteRelay(extensions=("STARTTLS",), tls=certificates.good()),
            WARNING,
            "offers STARTTLS",
        ),
        (PoliteRelay(), SKIPPED, "without TLS"),
    ],
)
def test_a_plain_relay_is_told_of_tls_it_could_have(script, tls_stage, words):
    report = probed(script)

    assert report.ok
    assert report.tls is None
    assert results(report)[Phase.TLS] is tls_stage
    assert words in report.diagnosis


@pytest.mark.parametrize(
    ("script", "phase", "reason"),
    [
        (Peer.close, Phase.GREETING, FailureReason.NETWORK),
        (relays.greeting_with("hello"), Phase.GREETING, FailureReason.PROTOCOL),
        (
            PoliteRelay(answers={"GREETING": ["554 no"]}),
            Phase.GREETING,
            FailureReason.RELAY_UNAVAILABLE,
        ),
        (
            PoliteRelay(answers={"EHLO": ["554 5.7.1 no"]}),
            Phase.EHLO,
            FailureReason.POLICY,
        ),
        (
            PoliteRelay(extensions=("AUTH PLAIN",), answers={"AUTH": ["535 5.7.8 no"]}),
            Phase.AUTH,
            FailureReason.AUTHENTICATION,
        ),
        (PoliteRelay(extensions=()), Phase.AUTH, FailureReason.AUTHENTICATION),
    ],
)
def test_the_stage_that_fails_is_named_and_the_rest_skipped(script, phase, reason):
    report = probed(script, **LOGIN)

    assert not report.ok
    assert stage(report, phase).result is FAILED
    assert stage(report, phase).reason is reason
    assert len(report.stages) == 10
    later = [s for s in report.stages if s.phase > phase and s.phase is not Phase.TLS]
    assert {s.result for s in later} == {SKIPPED}
    assert stage(report, phase).detail in report.diagnosis
    assert report.diagnosis.endswith(".")


@pytest.mark.parametrize(
    ("settings", "phase"),
    [({"host": "no..such.host"}, Phase.DNS), ({"port": 1}, Phase.CONNECT)],
)
def test_a_relay_that_can_not_be_reached_is_a_report(settings, phase):
    report = probed(PoliteRelay(), **settings)

    assert stage(report, phase).result is FAILED
    assert stage(report, phase).reason is FailureReason.NETWORK
    assert report.tls is None


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("250 2.1.5 she is here", OK),
        ("252 2.1.5 perhaps", OK),
        ("502 5.5.1 no VRFY", WARNING),
        ("550 5.1.1 who?", WARNING),
    ],
)
def test_vrfy_is_asked_and_its_refusal_is_a_warning(answer, result):
    report = probed(PoliteRelay(answers={"VRFY": [answer]}))

    assert report.ok
    assert results(report)[Phase.VRFY] is result
    assert str(stage(report, Phase.VRFY).reply) == answer
    assert results(report)[Phase.MAIL] is OK


def test_vrfy_that_is_not_offered_is_skipped():
    script = PoliteRelay(extensions=("PIPELINING",))
    report = probed(script)

    assert results(report)[Phase.VRFY] is SKIPPED
    assert "VRFY" not in script.verbs


def test_a_sender_that_is_refused_is_a_failure():
    script = PoliteRelay(answers={"MAIL": ["550 5.7.1 not yours"]})
    report = probed(script)

    assert not report.ok
    assert results(report)[Phase.MAIL] is FAILED
    assert stage(report, Phase.MAIL).reason is FailureReason.SENDER_REFUSED
    assert script.verbs[-1] == "QUIT"


def test_without_a_sender_none_is_verified():
    script = PoliteRelay()
    report = probed(script, sender="")

    assert report.ok
    assert {results(report)[p] for p in (Phase.VRFY, Phase.MAIL, Phase.RSET)} == {
        SKIPPED
    }
    assert script.verbs == ["EHLO", "QUIT"]


def test_a_sender_that_can_not_be_said_is_a_failure_of_its_stage():
    script = PoliteRelay()
    report = probed(script, sender="é@example.com")

    assert results(report)[Phase.VRFY] is WARNING
    assert results(report)[Phase.MAIL] is FAILED
    assert script.verbs[-1] == "QUIT"


def test_a_silent_relay_does_not_hold_the_test():
    report = probed(Peer.expect_end, deadline=Deadline.after(1.0), timeouts=Timeouts())

    assert stage(report, Phase.GREETING).reason is FailureReason.DEADLINE


def test_no_credential_is_in_a_report():
    script = PoliteRelay(
        extensions=("AUTH PLAIN",), answers={"AUTH": [f"535 bad {CANARY}"]}
    )

    assert CANARY not in repr(probed(script, **LOGIN))
