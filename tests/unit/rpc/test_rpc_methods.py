from __future__ import annotations

import pytest
from postroom.v1.send_pb2 import SendMessageRequest, SendMessageResponse
from postroom_server.rpc.access import Access
from postroom_server.rpc.health import HealthBoard, health_methods
from postroom_server.rpc.methods import (
    DELIVERY_SERVICE,
    RELAY_SERVICE,
    MethodTableError,
    delivery_methods,
    relay_methods,
)
from postroom_server.rpc.pools import PoolKind

NAMES = [method.name for method in DELIVERY_SERVICE.methods]


@pytest.fixture
def behaviours():
    return dict.fromkeys(NAMES, print)


def test_every_method_of_the_contract_is_served(behaviours):
    paths = {method.path for method in delivery_methods(behaviours)}

    assert paths == {f"/postroom.v1.DeliveryService/{name}" for name in NAMES}


def test_a_method_knows_its_types_and_threads(behaviours):
    table = {method.label: method for method in delivery_methods(behaviours, 90.0)}
    send = table["DeliveryService/SendMessage"]

    assert (send.request, send.response) == (SendMessageRequest, SendMessageResponse)
    assert (send.pool, send.cap) == (PoolKind.DELIVER, 90.0)
    assert table["DeliveryService/GetDelivery"].cap == 30.0


def test_a_method_without_a_behaviour_fails_at_start(behaviours):
    del behaviours["GetStats"]
    with pytest.raises(MethodTableError, match=r"behaviours .* differ: GetStats"):
        delivery_methods(behaviours)


def test_a_behaviour_without_a_method_fails_at_start(behaviours):
    behaviours["SendFax"] = print
    with pytest.raises(MethodTableError, match="SendFax"):
        delivery_methods(behaviours)


def test_a_method_without_a_row_fails_at_start(behaviours, monkeypatch):
    monkeypatch.delitem(
        __import__("postroom_server.rpc.methods", fromlist=["_ROWS"])._ROWS, "GetStats"
    )
    with pytest.raises(MethodTableError, match=r"method table .* differ: GetStats"):
        delivery_methods(behaviours)


def test_health_is_neither_gated_nor_strict():
    methods = health_methods(HealthBoard())

    assert {(m.label, m.gated, m.strict, m.pool) for m in methods} == {
        ("Health/Check", False, False, PoolKind.HEALTH),
        ("Health/List", False, False, PoolKind.HEALTH),
    }


def test_every_method_of_relays_is_for_administrators():
    names = [method.name for method in RELAY_SERVICE.methods]

    methods = relay_methods(dict.fromkeys(names, lambda _request, _call: None))

    assert len(methods) == len(names)
    assert {method.access for method in methods} == {Access.ADMINISTRATORS}
