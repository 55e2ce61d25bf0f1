"""Every key is described, and its description is true."""

from __future__ import annotations

import json
import tomllib

import pytest
from postroom_server.config import describe, load_config, print_config
from postroom_server.config.reference import page

SETTINGS = {setting.key: setting for setting in describe()}


def flat(tree, path=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


@pytest.fixture(scope="module")
def in_force():
    """The keys that are printed with nothing configured but what is required."""
    token = {"POSTROOM_CREDENTIALS__ID__TOKEN_SHA256": json.dumps(["0" * 64])}
    own = {"POSTROOM_TENANTS__ID__BURST": "0"}
    config = load_config(None, {"POSTROOM_RELAYS__ID__HOST": "h", **token, **own})
    return dict(flat(tomllib.loads(print_config(config).replace(".id", ".ID"))))


def test_what_is_described_is_what_is_printed(in_force):
    assert set(SETTINGS) == set(in_force)


def test_the_defaults_described_are_those_in_force(in_force):
    described = {
        key: tomllib.loads(f"value = {setting.default}")["value"]
        for key, setting in SETTINGS.items()
        if not setting.otherwise
    }

    assert described == {key: in_force[key] for key in described}


def test_what_a_default_comes_to_is_told_in_words():
    assert {key for key, setting in SETTINGS.items() if setting.otherwise} == {
        "metrics.listen",
        "default_relay",
        "credentials.ID.token_sha256",
        "relays.ID.host",
        "relays.ID.port",
    }


def test_every_key_has_a_meaning_and_a_number_its_range():
    for setting in SETTINGS.values():
        number = setting.default.replace(".", "").isdigit()

        assert setting.meaning.endswith(".")
        assert bool(setting.range) == number or setting.key == "relays.ID.port"


def test_lengths_of_time_and_sizes_have_their_unit():
    for key, setting in SETTINGS.items():
        if key.endswith("_bytes"):
            assert setting.unit == "bytes"
        if "timeout" in key or "delay" in key or "retention" in key:
            assert setting.unit == "seconds"


def test_the_password_is_the_secret():
    assert [key for key, setting in SETTINGS.items() if setting.secret] == [
        "relays.ID.password"
    ]


def test_the_page_has_a_row_for_every_key():
    rows = [line for line in page().splitlines() if line.startswith("| `")]

    assert [row.split("`")[1] for row in rows] == list(SETTINGS)
    assert all(row.count("|") == 5 for row in rows)
