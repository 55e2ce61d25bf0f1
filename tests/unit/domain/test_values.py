"""Values are the same as frozen dataclasses, but for what the type checker sees to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from postroom_server.domain.values import value


@value(frozen=True, slots=True, kw_only=True)
class Parcel:
    weight: int
    label: str = ""


def test_values_with_the_same_fields_are_one_to_sets_and_comparisons():
    assert Parcel(weight=1) == Parcel(weight=1)
    assert {Parcel(weight=1), Parcel(weight=1)} == {Parcel(weight=1)}
    assert Parcel(weight=1) != Parcel(weight=2)


def test_a_value_is_made_of_another():
    assert replace(Parcel(weight=1), label="x") == Parcel(weight=1, label="x")


def test_a_value_has_no_other_fields():
    with pytest.raises(AttributeError):
        Parcel(weight=1).colour = "red"
