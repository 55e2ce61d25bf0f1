"""What was read is written down in the words of Prometheus."""

from __future__ import annotations

import structlog
from postroom_server.domain.distribution import Spread
from postroom_server.telemetry.exposition import Exposition
from postroom_server.telemetry.series import (
    Reading,
    counter,
    gauge,
    histogram,
    single,
)
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.support.clocks import FakeClock

MAIL = counter("mail", "Mail.", "relay")
DEPTH = gauge("depth", "How deep.")
SECONDS = histogram("seconds", "How long.")


def exposition(*sources, clock=None):
    return Exposition(sources, (clock or FakeClock()).monotonic)


def samples(page):
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_counters_and_gauges_have_their_values_by_label():
    def source():
        yield Reading(MAIL, {("main",): 3, ('a"\n\\',): 1})
        yield single(DEPTH, 0.5)

    _, page = exposition(source).page("")

    found = samples(page)
    assert found["postroom_mail_total", ("main",)] == 3
    assert found["postroom_mail_total", ('a"\n\\',)] == 1
    assert found["postroom_depth", ()] == 0.5


def test_the_buckets_of_a_histogram_add_up():
    spread = Spread((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        spread.add(value)
    _, page = exposition(lambda: [single(SECONDS, spread.reading())]).page("")

    found = samples(page)
    buckets = {labels: n for (name, labels), n in found.items() if "bucket" in name}
    assert buckets == buckets | {("1.0",): 2, ("2.0",): 3, ("+Inf",): 4}
    assert found["postroom_seconds_count", ()] == 4
    assert found["postroom_seconds_sum", ()] == 12.0


def test_a_series_without_values_is_named_all_the_same():
    _, page = exposition(lambda: [Reading(MAIL, {})]).page("")

    assert b"# TYPE postroom_mail_total counter" in page


def test_openmetrics_is_written_where_it_is_asked_for():
    source = [Reading(MAIL, {("main",): 3})]
    accepted = "application/openmetrics-text; version=1.0.0"
    content_type, page = exposition(lambda: source).page(accepted)
    families = openmetrics.text_string_to_metric_families(page.decode())

    assert content_type.startswith("application/openmetrics-text")
    assert "postroom_mail" in {family.name for family in families}


def test_a_source_that_fails_leaves_the_others_alone():
    def broken():
        yield single(DEPTH, 1)
        raise RuntimeError

    sound = [Reading(MAIL, {("main",): 3})]
    with structlog.testing.capture_logs() as logs:
        _, page = exposition(broken, lambda: sound).page("")
    found = samples(page)

    assert [log["event"] for log in logs] == ["metrics.source_failed"]
    assert found["postroom_mail_total", ("main",)] == 3
    assert found["postroom_metrics_failures_total", ()] == 1
    assert ("postroom_depth", ()) not in found


def test_who_asks_again_within_a_second_gets_the_same_reading():
    clock, read = FakeClock(), []
    page = exposition(lambda: read.append(1) or (), clock=clock).page
    page("")
    page("")
    within = len(read)
    clock.advance(1.0)
    page("")

    assert (within, len(read)) == (1, 2)
