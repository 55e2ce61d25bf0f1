"""What is written about settings is what the code does."""

from __future__ import annotations

import re

from postroom_server.config import Config, load_config
from postroom_server.config.reference import key_paths, page
from postroom_server.config.values import RelayConfig

from tests.support.sources import ROOT

EXAMPLE = ROOT / "deploy/postroom.toml"
COMMENTED_OUT = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)


def test_the_reference_is_up_to_date():
    written = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")

    assert written == page(), "python -m postroom_server.config > that file"


def test_the_example_is_a_configuration():
    config = load_config(EXAMPLE, {})

    assert config.relays["main"].host == "smtp.example.com"
    assert config.default_relay == "main"


def test_what_the_example_comments_out_are_keys_and_their_defaults(tmp_path):
    text = COMMENTED_OUT.sub("", EXAMPLE.read_text(encoding="utf-8"))
    for key, instead in {
        "username": "",
        "password_file": "",
        "envelope_from": "",
        "tls_ca_file": "",
    }.items():
        # These have no default worth showing.
        text, count = re.subn(
            rf'^{key} = ".*"', f'{key} = "{instead}"', text, flags=re.MULTILINE
        )
        assert count == 1
    path = tmp_path / "postroom.toml"
    path.write_text(text, encoding="utf-8")

    relay = RelayConfig(
        id="main",
        host="smtp.example.com",
        port=587,
        from_address="sender@example.com",
    )
    assert load_config(path, {}) == Config(relays={"main": relay}, default_relay="main")


def test_every_key_of_the_example_is_known():
    known = {path[-1] for path in key_paths()}
    lines = COMMENTED_OUT.sub("", EXAMPLE.read_text(encoding="utf-8")).splitlines()
    used = {line.split(" = ")[0] for line in lines if re.match(r"[a-z_]+ = ", line)}

    assert used <= known
