from __future__ import annotations

import grpc
import pytest
from postroom import Client, Health
from postroom.v1 import attempt_pb2 as attempt_pb
from postroom.v1 import connection_pb2 as connection_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1 import server_info_pb2 as info_pb
from postroom.v1 import stats_pb2 as stats_pb
from postroom_server.sandbox.relay import RelaySecurity, SandboxRelay

from tests.support.certificates import authority_file, good
from tests.support.service import CALL, plain, running

LOGIN = RelaySecurity(credentials=("user", "right"))


def stats(service, **fields):
    return service.stub.GetStats(stats_pb.GetStatsRequest(**fields), timeout=CALL)


def window(response, which):
    return next(w for w in response.windows if w.window == which)


def health(service, name):
    with Client(service.app.server.address) as client:
        return client.health(name)


def test_the_counts_are_those_of_what_happened(service):
    service.relay.refuse("bob@example.com", "550 5.1.1 no")
    for _ in range(3):
        service.send()
    service.send(to="ada@example.com bob@example.com")
    service.send(to="bob@example.com")

    response = stats(service, include_relays=True, include_latencies=True)

    for which in (stats_pb.STATS_WINDOW_ALL, stats_pb.STATS_WINDOW_SINCE_START):
        counters = window(response, which).counters
        assert counters.accepted == 5
        assert counters.succeeded == 3
        assert counters.partial == 1
        assert counters.rejected == 1
        assert counters.attempts == 5
        assert counters.transactions_accepted == 4
        assert counters.recipients_delivered == 4
        assert counters.recipients_refused == 2
    (relay,) = response.relays
    assert relay.relay == "relays/main"
    assert relay.pool.created == 1
    assert relay.pool.reused == 4
    assert relay.pool.idle == 1
    assert window(
        response, stats_pb.STATS_WINDOW_SINCE_START
    ).success_rate == pytest.approx(0.6)


def test_latencies_are_told_by_kind(service):
    service.send()

    response = stats(service, include_latencies=True)

    latencies = window(response, stats_pb.STATS_WINDOW_1M).latencies
    counts = {latency.kind: latency.count for latency in latencies}
    assert counts[stats_pb.LATENCY_KIND_SEND] == 1
    assert counts[stats_pb.LATENCY_KIND_TRANSACTION] == 1
    assert counts[stats_pb.LATENCY_KIND_POOL] == 1


def test_what_was_ever_counted_outlives_the_process(tmp_path, relay):
    relays = {"main": plain(relay.port)}
    with running(tmp_path, relays, relay) as before:
        before.send()

    with running(tmp_path, relays, relay) as after:
        response = stats(after)

    assert window(response, stats_pb.STATS_WINDOW_ALL).counters.succeeded == 1
    assert window(response, stats_pb.STATS_WINDOW_SINCE_START).counters.succeeded == 0


def test_the_server_tells_what_it_is_and_how_much_it_takes(service):
    info = service.stub.GetServerInfo(info_pb.GetServerInfoRequest(), timeout=CALL)

    assert info.version
    assert info.limits.max_recipients == 100
    assert "postroom.v1.DeliveryService" in info.services


def test_health_is_told_overall_by_service_and_by_relay(service):
    names = ("", "postroom.v1.DeliveryService", "relays/main")

    assert {health(service, name) for name in names} == {Health.SERVING}


def test_a_good_way_to_a_relay_tests_well_stage_by_stage(service):
    report = service.stub.TestConnection(
        connection_pb.TestConnectionRequest(verify_sender="me@example.com"),
        timeout=CALL,
    )

    stages = {s.phase: s.result for s in report.stages}
    assert report.ok
    assert report.relay == "relays/main"
    assert stages[attempt_pb.PHASE_CONNECT] == connection_pb.STAGE_RESULT_OK
    assert stages[attempt_pb.PHASE_MAIL] == connection_pb.STAGE_RESULT_OK
    assert stages[attempt_pb.PHASE_TLS] == connection_pb.STAGE_RESULT_SKIPPED
    assert "PIPELINING" in report.extensions
    assert service.relay.messages == ()


def test_a_relay_that_cannot_be_reached_is_a_report_and_no_error(tmp_path, relay):
    relay.stop()
    with running(tmp_path, {"main": plain(relay.port)}, relay) as service:
        report = service.stub.TestConnection(
            connection_pb.TestConnectionRequest(), timeout=CALL
        )
        result = service.send(retry=send_pb.RetryPolicy(disabled=True))

    assert not report.ok
    assert report.diagnosis
    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    assert result.reason == attempt_pb.FAILURE_REASON_NETWORK


@pytest.fixture
def locked_out(tmp_path):
    """A service whose relay refuses its credentials."""
    with SandboxRelay(security=LOGIN) as relay:
        keys = plain(relay.port, username="user", password="wrong")
        with running(tmp_path, {"main": keys}, relay) as service:
            yield service


def test_refused_credentials_fail_a_relayed_send_at_once(locked_out):
    result = locked_out.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_FAILED
    assert result.reason == attempt_pb.FAILURE_REASON_AUTHENTICATION
    assert len(result.attempts) == 1
    assert result.smtp_error.code == 535


def test_refused_credentials_keep_queued_mail_waiting(locked_out):
    result = locked_out.send(completion=send_pb.COMPLETION_RELAYED_OR_QUEUED)

    assert result.status == delivery_pb.DELIVERY_STATUS_RETRY


def test_refused_credentials_show_in_health_and_are_not_tried_again_at_once(locked_out):
    for _ in range(5):
        locked_out.send()

    assert health(locked_out, "relays/main") is Health.NOT_SERVING
    assert locked_out.relay.sessions_opened == 1


def test_good_credentials_are_used(tmp_path):
    with SandboxRelay(security=LOGIN) as relay:
        keys = plain(relay.port, username="user", password="right")
        with running(tmp_path, {"main": keys}, relay) as service:
            assert service.send().status == delivery_pb.DELIVERY_STATUS_SUCCESS


@pytest.mark.parametrize("encryption", ["tls", "ssl"])
def test_mail_goes_over_tls_to_a_relay_that_is_trusted(tmp_path, encryption):
    security = RelaySecurity(
        tls=good(),
        implicit=encryption == "ssl",
        credentials=("user", "right"),
        auth_needs_tls=True,
    )
    with SandboxRelay(security=security) as relay, authority_file() as trusted:
        keys = plain(
            relay.port,
            encryption=encryption,
            username="user",
            password="right",
            tls_ca_file=trusted,
        )
        with running(tmp_path, {"main": keys}, relay) as service:
            result = service.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert result.attempts[0].tls_version == "TLSv1.3"


@pytest.mark.parametrize(
    ("completion", "status"),
    [
        (send_pb.COMPLETION_RELAYED, delivery_pb.DELIVERY_STATUS_FAILED),
        (send_pb.COMPLETION_RELAYED_OR_QUEUED, delivery_pb.DELIVERY_STATUS_RETRY),
    ],
)
def test_a_certificate_that_is_not_trusted_gets_no_mail(tmp_path, completion, status):
    with SandboxRelay(security=RelaySecurity(tls=good())) as relay:
        keys = plain(relay.port, encryption="tls")
        with running(tmp_path, {"main": keys}, relay) as service:
            result = service.send(completion=completion)

        assert relay.messages == ()
    assert result.status == status
    assert result.reason == attempt_pb.FAILURE_REASON_TLS


def test_a_relay_without_starttls_gets_no_mail(tmp_path, relay):
    with running(
        tmp_path, {"main": plain(relay.port, encryption="tls")}, relay
    ) as service:
        result = service.send(retry=send_pb.RetryPolicy(disabled=True))

    assert relay.messages == ()
    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    assert result.reason == attempt_pb.FAILURE_REASON_TLS


def test_no_default_relay_is_told(tmp_path, relay):
    relays = {"a": plain(relay.port), "b": plain(relay.port)}
    with running(tmp_path, relays, relay, default="") as service:
        with pytest.raises(grpc.RpcError) as caught:
            service.send()

        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert (
            service.send(relay="relays/b").status == delivery_pb.DELIVERY_STATUS_SUCCESS
        )


def test_a_dead_pooled_session_costs_no_attempt(service):
    service.send()
    service.relay.close_idle()

    result = service.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(result.attempts) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "END"])
def test_a_421_on_a_pooled_session_costs_no_attempt(service, step):
    service.send()
    service.relay.fail_next(step, "421 4.3.2 too many mails on this connection")

    result = service.send(retry=send_pb.RetryPolicy(disabled=True))

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(result.attempts) == 1
