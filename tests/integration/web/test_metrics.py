"""A service tells Prometheus what it tells GetStats, and what it does besides."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import pytest
from postroom.v1 import stats_pb2
from postroom_server.sandbox.relay import SandboxRelay
from prometheus_client.parser import text_string_to_metric_families

from tests.support.service import CALL, plain, running
from tests.support.sources import ROOT

LISTEN = 'metrics = { listen = "127.0.0.1:0" }'
FOREIGN = ("process_", "python_", "postroom_log_")
"""Series that are not the service's own, or begin with `postroomd`."""


@pytest.fixture
def service(tmp_path):
    with (
        SandboxRelay() as relay,
        running(
            tmp_path,
            {"main": plain(relay.port), "spare": plain(relay.port)},
            relay,
            extra=LISTEN,
        ) as service,
    ):
        yield service


def page(service, path="/metrics"):
    address = f"http://{service.app.metrics_address}{path}"
    with urllib.request.urlopen(address, timeout=CALL) as answer:
        return answer.read().decode()


class Scraped:
    """Values by name and the values of labels, in whatever order."""

    def __init__(self, service):
        self._values = {
            (sample.name, frozenset(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(page(service))
            for sample in family.samples
        }

    def __getitem__(self, key):
        name, *labels = (key,) if isinstance(key, str) else key
        return self._values[name, frozenset(labels)]


def stats_of(service, relay):
    asked = stats_pb2.GetStatsRequest(
        relay=f"relays/{relay}", include_relays=True, include_latencies=True
    )
    return service.stub.GetStats(asked, timeout=CALL).relays[0]


def test_the_series_are_the_numbers_of_get_stats(service):
    service.send(to="ada@example.com bounce@example.com")
    service.send()
    service.send(to="bounce@example.com")
    told = stats_of(service, "main")
    found = Scraped(service)

    (window,) = [
        w for w in told.windows if w.window == stats_pb2.STATS_WINDOW_SINCE_START
    ]
    counted = window.counters
    assert counted.accepted == 3
    assert found["postroom_deliveries_accepted_total", "main"] == counted.accepted
    assert found["postroom_attempts_total", "main"] == counted.attempts
    assert found["postroom_retries_total", "main"] == counted.retries
    assert found["postroom_sent_bytes_total", "main"] == counted.bytes_sent
    for status, count in (
        ("SUCCESS", counted.succeeded),
        ("PARTIAL", counted.partial),
        ("REJECTED", counted.rejected),
    ):
        assert count == 1
        assert found["postroom_deliveries_ended_total", "main", status] == count
    assert found["postroom_recipients_total", "main", "delivered"] == 2
    assert found["postroom_recipients_total", "main", "refused"] == 2
    for latency in window.latencies:
        step = stats_pb2.LatencyKind.Name(latency.kind).removeprefix("LATENCY_KIND_")
        assert found["postroom_latency_seconds_count", "main", step] == latency.count
    assert found["postroom_pool_sessions", "main", "idle"] == told.pool.idle
    opened = found["postroom_pool_sessions_opened_total", "main"]
    assert opened == told.pool.created
    assert found["postroom_queue_deliveries", "due"] == told.queue.due


def test_attempts_are_told_by_outcome_and_reason(service):
    service.send()
    service.send(to="bounce@example.com")
    found = Scraped(service)

    name = "postroom_attempts_ended_total"
    refused = found[name, "main", "FAILED", "ADDRESS_UNKNOWN"]
    assert (found[name, "main", "ACCEPTED", ""], refused) == (1, 1)


def test_calls_are_told_by_method_and_code(service):
    service.send()
    with pytest.raises(Exception, match="no such delivery"):
        service.get("deliveries/nothing")
    found = Scraped(service)

    send, get = "DeliveryService/SendMessage", "DeliveryService/GetDelivery"
    assert found["postroom_rpc_started_total", send] == 1
    assert found["postroom_rpc_handled_total", send, "OK"] == 1
    assert found["postroom_rpc_handled_total", get, "NOT_FOUND"] == 1
    assert found["postroom_rpc_seconds_count", send] == 1
    assert found["postroom_rpc_pool_begun_total", "deliver"] == 1
    assert found["postroom_commit_works_sum"] >= 2


def test_a_relay_without_mail_is_told_with_noughts(service):
    found = Scraped(service)

    assert found["postroom_deliveries_accepted_total", "spare"] == 0
    assert found["postroom_relay_serving", "spare"] == 1


def test_the_reference_lists_every_series_and_no_other(service):
    service.send()
    families = text_string_to_metric_families(page(service))
    served = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families
        if not family.name.startswith(FOREIGN)
    }
    table = (ROOT / "docs/reference/metrics.md").read_text()
    listed = re.findall(r"^\| `(postroom_\w+)` \|", table, re.MULTILINE)
    own = {name for name in listed if not name.startswith(FOREIGN)}

    assert own == served
    assert len(listed) == len(set(listed))


def test_the_rules_ask_for_series_that_there_are(service):
    rules = (ROOT / "deploy/prometheus-rules.yaml").read_text()
    asked = set(re.findall(r"\b(?:postroom|process)_\w+", rules))
    names = {
        name
        for family in text_string_to_metric_families(page(service))
        for name in (family.name, f"{family.name}_total", f"{family.name}_bucket")
    }

    assert asked - names - {"postroom_log_lines_lost_total"} == set()
    assert len(asked) > 5


def test_a_service_says_that_it_lives_and_whether_it_takes_mail(service):
    alive, ready = page(service, "/healthz"), page(service, "/readyz")
    service.app.server.set_ready(False)
    with pytest.raises(urllib.error.HTTPError) as refused:
        page(service, "/readyz")
    refused.value.close()

    assert (alive, ready, refused.value.code) == ("alive\n", "ready\n", 503)
    assert Scraped(service)["postroom_ready"] == 0


def test_nothing_listens_unless_it_is_asked_for(tmp_path):
    with (
        SandboxRelay() as relay,
        running(tmp_path, {"main": plain(relay.port)}, relay) as service,
    ):
        address = service.app.metrics_address

    assert address == ""
