from __future__ import annotations

import ssl

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.certificate import parse_certificate
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.settings import RelaySettings
from postroom_server.smtp.tls import context_for, iana_name

from tests.support.certificates import authority


@pytest.mark.parametrize(
    ("openssl", "iana"),
    [
        ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
        ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
        ("ECDHE-RSA-AES128-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
        ("DHE-RSA-AES256-GCM-SHA384", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    ],
)
def test_a_suite_is_called_by_its_iana_name(openssl, iana):
    assert iana_name(openssl) == iana


def relay(**fields) -> RelaySettings:
    return RelaySettings(id="main", host="relay.example", port=25, **fields)


def test_trust_is_strict_by_default():
    context = context_for(relay())

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.hostname_checks_common_name
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.security_level >= 2


def test_relays_of_the_same_trust_share_a_context():
    assert context_for(relay()) is context_for(relay(username="x"))
    assert context_for(relay()) is not context_for(relay(tls_verify=False))


def test_a_renewed_ca_file_is_read_again(tmp_path):
    file = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(file)
    before = context_for(relay(tls_ca_file=str(file)))
    file.touch()

    assert context_for(relay(tls_ca_file=str(file))) is not before


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_ca_file_that_can_not_be_used_is_a_failure_of_tls(tmp_path, content):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SessionError, match="CA file") as failed:
        context_for(relay(tls_ca_file=str(file)))

    assert failed.value.phase is Phase.TLS
    assert failed.value.reason is FailureReason.TLS


def test_a_certificate_is_shown_as_people_read_it():
    pem = authority().cert_pem.bytes().decode()
    found = parse_certificate(ssl.PEM_cert_to_DER_cert(pem))

    assert found is not None
    assert found.subject == found.issuer
    assert "O=trustme" in found.subject
    assert found.not_before < found.not_after
    assert len(found.sha256) == 32


@pytest.mark.parametrize("der", [b"", b"0", b"\x30\x82" + b"x" * 500])
def test_octets_that_are_no_certificate_end_no_report(der):
    assert parse_certificate(der) is None
