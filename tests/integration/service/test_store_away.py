"""The store goes away and comes back: refused at once, said in health, no restart."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
import structlog
from postroom import Client, Health
from postroom.v1 import delivery_pb2 as delivery_pb

from tests.support.process import PAUSE
from tests.support.service import of_the_file, reason

pytestmark = of_the_file


@contextmanager
def no_writing() -> Iterator[None]:
    """No file of this process can be written beyond its first octet."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nothing is logged to files of this process, which can't be written either."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


def until_health_is(service, expected):
    with Client(service.app.server.address) as client:
        for _ in range(400):
            if client.health("postroom.v1.DeliveryService") is expected:
                return
            PAUSE.wait(0.05)
    raise AssertionError(f"health never said {expected}")


def test_mail_is_refused_while_the_store_is_away_and_taken_when_it_is_back(service):
    with no_writing():
        with pytest.raises(grpc.RpcError) as caught:
            service.send()
        until_health_is(service, Health.NOT_SERVING)

    until_health_is(service, Health.SERVING)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(caught.value) == "NOT_READY"
    assert service.send().status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(service.relay.messages) == 1
