from __future__ import annotations

import pytest
from postroom_server.domain.errors import InvalidArgument
from postroom_server.rpc.convert.addresses import checked_address
from postroom_server.rpc.convert.names import delivery_id, relay_id


@pytest.mark.parametrize("bare", ["0" * 32, "a", "A-b_9", "x" * 64])
def test_a_name_gives_its_id(bare):
    assert delivery_id(f"deliveries/{bare}", "delivery") == bare


@pytest.mark.parametrize(
    "name",
    [
        "",
        "deliveries/",
        "0" * 32,
        "relays/main",
        "deliveries/a/b",
        "deliveries/a b",
        " deliveries/a",
        "deliveries/a\n",
        "Deliveries/a",
        "deliveries/é",
        "deliveries/" + "x" * 65,
        "x/deliveries/a",
    ],
)
def test_what_is_no_name_of_a_delivery_is_refused(name):
    with pytest.raises(InvalidArgument) as caught:
        delivery_id(name, "delivery")

    assert [p.field for p in caught.value.problems] == ["delivery"]


@pytest.mark.parametrize("name", ["", "main", "relays/", "relays/A", "relays/a/b"])
def test_what_is_no_name_of_a_relay_is_refused(name):
    with pytest.raises(InvalidArgument) as caught:
        relay_id(name, "filter.relay")

    assert [p.field for p in caught.value.problems] == ["filter.relay"]


def test_an_address_has_its_form_on_the_wire():
    assert checked_address("me@Bücher.example", "a").wire == "me@xn--bcher-kva.example"


def test_what_is_no_address_is_refused_with_its_path():
    with pytest.raises(InvalidArgument) as caught:
        checked_address("nobody", "verify_sender")

    assert [p.field for p in caught.value.problems] == ["verify_sender"]
