"""Our enumerations are the contract's: the same names, the same numbers."""

from __future__ import annotations

import importlib
import pkgutil
import re
from enum import IntEnum

import postroom.v1
import postroom_server
import pytest
from google.protobuf.descriptor import EnumDescriptor

REQUIRED = (
    "AttemptOutcome",
    "CloseReason",
    "Completion",
    "DeliveryStatus",
    "Disposition",
    "EventKind",
    "FailureReason",
    "LatencyKind",
    "OnUncertain",
    "Phase",
    "RecipientStatus",
    "StatsWindow",
)
OURS_ALONE = {"LogLevel"}
# A pool has one reason more than it tells: of a configuration that changed.
DIGIT_FIRST = "LAST_"
"""Stands before names that Python does not allow, as 1M."""


def modules(package):
    """Every module of *package*, but those that do something when imported."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if "__main__" not in found.name and ".migrations" not in found.name:
            yield importlib.import_module(found.name)


def contract() -> dict[str, EnumDescriptor]:
    return {
        enum.name: enum
        for module in modules(postroom.v1)
        if hasattr(module, "DESCRIPTOR")
        for enum in module.DESCRIPTOR.enum_types_by_name.values()
    }


def enumerations() -> set[type[IntEnum]]:
    return {
        value
        for module in modules(postroom_server)
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, IntEnum)
        and value.__members__
        and value.__module__.startswith("postroom_server.")
    }


def of_the_contract(enum: EnumDescriptor) -> dict[str, int]:
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
    return {value.name.removeprefix(prefix): value.number for value in enum.values}


def ours(enum: type[IntEnum]) -> dict[str, int]:
    return {
        re.sub(rf"^{DIGIT_FIRST}(?=\d)", "", name): int(member)
        for name, member in enum.__members__.items()
    }


def full_name(enum: type[IntEnum]) -> str:
    return f"{enum.__module__}.{enum.__name__}"


IN_CONTRACT = contract()
ENUMERATIONS = sorted(enumerations(), key=full_name)


@pytest.mark.parametrize(
    "enum",
    [e for e in ENUMERATIONS if e.__name__ not in OURS_ALONE],
    ids=full_name,
)
def test_an_enumeration_has_the_names_and_numbers_of_the_contract(enum):
    assert ours(enum) == of_the_contract(IN_CONTRACT[enum.__name__])


@pytest.mark.parametrize("name", REQUIRED)
def test_the_domain_has_the_enumeration(name):
    places = {e.__module__ for e in ENUMERATIONS if e.__name__ == name}

    assert any(place.startswith("postroom_server.domain.") for place in places)


def test_a_pool_s_reasons_have_the_numbers_of_the_contract():
    (reasons,) = [e for e in ENUMERATIONS if e.__name__ == "CloseReason"][-1:]

    assert of_the_contract(IN_CONTRACT["CloseReason"]).items() <= ours(reasons).items()
