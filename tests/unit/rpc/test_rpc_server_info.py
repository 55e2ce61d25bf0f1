from __future__ import annotations

from dataclasses import fields
from importlib.metadata import version

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom_server.domain.clock import Instant
from postroom_server.domain.limits import Limits
from postroom_server.rpc.server_info import FEATURES, ServerFacts, server_limits

from tests.support.deliveries import NOW
from tests.support.wire_fields import unset

FACTS = ServerFacts(instance="0a1b", started_at=NOW, limits=Limits())


def test_nothing_is_forgotten():
    assert list(unset(FACTS.response(NOW))) == []


def test_a_server_tells_its_version_and_its_time():
    found = FACTS.response(Instant(NOW + 1_000_000))

    assert (found.version, found.instance) == (version("postroom-server"), "0a1b")
    assert found.started_at == Timestamp(seconds=NOW // 10**6)
    assert found.server_time == Timestamp(seconds=NOW // 10**6 + 1)


def test_limits_are_told_as_configured():
    told = [f.name for f in server_limits(Limits()).DESCRIPTOR.fields]
    limits = Limits(**{name: n for n, name in enumerate(told, 1)})
    found = server_limits(limits)

    for n, (field, value) in enumerate(found.ListFields(), 1):
        assert (value.seconds if field.message_type else value) == n


def test_the_contract_names_limits_as_the_domain_does():
    told = {f.name for f in server_limits(Limits()).DESCRIPTOR.fields}

    assert told <= {f.name for f in fields(Limits)}


@pytest.mark.parametrize("reflection", [True, False])
def test_services_are_those_that_are_served(reflection):
    facts = ServerFacts(
        instance="", started_at=NOW, limits=Limits(), reflection=reflection
    )
    services = list(facts.response(NOW).services)

    assert services[:3] == [
        "postroom.v1.DeliveryService",
        "postroom.v1.RelayService",
        "grpc.health.v1.Health",
    ]
    assert ("grpc.reflection.v1.ServerReflection" in services) is reflection


def test_features_are_sorted_and_told_once():
    assert list(FEATURES) == sorted(set(FEATURES))
