"""A relay whose certificate or TLS is not as it must be gets no log-in and no mail."""

from __future__ import annotations

import contextlib

import pytest
from postroom import Client, FailureReason, RetryPolicy, Status

from tests.gates.oracle import assert_stats_are_true
from tests.support import certificates
from tests.support.process import daemon, free_port
from tests.support.relays import PoliteRelay
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import settings

# An old TLS is what one relay is to have.
pytestmark = [
    pytest.mark.gate,
    pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning"),
]

GOOD = {"good": certificates.good, "tls-1-2": certificates.tls_1_2_only}
FAULTS = {
    "expired": certificates.expired,
    "not-yet-valid": certificates.not_yet_valid,
    "another-host": certificates.for_another_host,
    "no-ip-san": certificates.without_address,
    "unknown-authority": certificates.from_unknown_authority,
    "no-intermediate": certificates.without_intermediate,
    "self-signed": certificates.self_signed,
    "common-name": certificates.common_name_only,
    "of-a-client": certificates.of_a_client,
    "short-key": certificates.with_a_short_key,
    "sha-1": certificates.signed_with_sha1,
    "tls-1-1": certificates.tls_1_1_only,
}
LOG_IN = {"username": "me", "password": "secret"}


@pytest.fixture
def relays():
    """A relay of each kind under STARTTLS and under TLS from the first octet."""
    with contextlib.ExitStack() as stack:
        found = {}
        for word in ("tls", "ssl"):
            for name, context in (GOOD | FAULTS).items():
                relay = PoliteRelay(
                    ("AUTH PLAIN", "PIPELINING"), context(), implicit=word == "ssl"
                )
                link = stack.enter_context(ScriptedRelay(relay))
                found[f"{name}-{word}"] = (relay, link.port, word)
        yield found


@pytest.fixture
def client(relays, tmp_path):
    """The service with all of *relays*."""
    with certificates.authority_file() as authority:
        keys = {
            name: {
                "host": "127.0.0.1",
                "port": port,
                "encryption": word,
                "tls_ca_file": authority,
                **LOG_IN,
            }
            for name, (_, port, word) in relays.items()
        }
        config = settings(tmp_path, keys, default="good-tls")
        with daemon(config, free_port()) as service, Client(service.target) as client:
            yield client


def send(client, relay):
    return client.send(
        relay=relay,
        from_="me@example.com",
        to="ada@example.com",
        subject="x",
        text="x",
        retry=RetryPolicy(disabled=True),
    )


def test_no_log_in_and_no_mail_before_a_relay_is_trusted(client, relays):
    results = {name: send(client, name) for name in relays}
    reports = {name: client.test_connection(name) for name in relays}
    assert_stats_are_true(client)

    good = {f"{name}-{word}" for name in GOOD for word in ("tls", "ssl")}
    for name, (relay, _, _) in relays.items():
        result, verbs = results[name], set(relay.verbs)
        if name in good:
            assert result.status is Status.SUCCESS, f"{name}: {result}"
            assert reports[name].ok
            assert {"AUTH", "MAIL"} <= verbs
            continue
        assert not {"AUTH", "MAIL"} & verbs, f"{name}: {verbs}"
        assert result.status in {Status.FAILED, Status.TEMP_FAILED}, f"{name}: {result}"
        assert result.reason is FailureReason.TLS, f"{name}: {result}"
        assert not reports[name].ok
