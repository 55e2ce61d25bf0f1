"""Rules for relays that log us in by token; no fault repeats a token."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from postroom_server.config.relay_schema import RelayTable
from postroom_server.domain.text import printable
from postroom_server.smtp.oauth import TOKEN_MECHANISMS
from postroom_server.smtp.token_sources import TokenFile
from postroom_server.smtp.tokens import NoToken, checked

Faults = Iterator[tuple[tuple[str, ...], str]]
"""Keys of a relay, the guilty one first, and what is wrong."""

_SHOWN = 60
"""Octets of a program's name that are shown."""


def mechanism_faults(relay: RelayTable) -> Faults:
    """Whether the mechanism asked for fits the credential that there is."""
    has_token = bool(relay.token_command or relay.token_file)
    wants_token = relay.auth_mechanism.upper() in TOKEN_MECHANISMS
    keys = ("auth_mechanism", "token_command", "token_file")
    if wants_token and not has_token:
        yield keys, "needs token_command or token_file"
    if has_token and relay.auth_mechanism and not wants_token:
        yield keys, "takes a password: with a token, use oauthbearer or xoauth2"


def token_faults(relay: RelayTable) -> Faults:
    """Whether there is a program to run, or a file with a token in it."""
    if relay.token_command:
        program = relay.token_command[0]
        if any("\0" in word for word in relay.token_command):
            yield ("token_command",), "holds a NUL"
        elif not program or shutil.which(program) is None:
            name = printable(program, _SHOWN)
            yield ("token_command",), f"there is no program {name!r} to run"
    if relay.token_file:
        try:
            checked(TokenFile(relay.token_file).read())
        except NoToken as problem:
            yield ("token_file",), str(problem)
