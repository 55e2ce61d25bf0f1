"""Rules of one relay that a key's type can't say."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from postroom_server.config.credentials import credential_faults
from postroom_server.config.errors import Finding, KeyPath
from postroom_server.config.relay_schema import RelayTable
from postroom_server.config.text import number
from postroom_server.config.token_checks import Faults
from postroom_server.domain.address import AddressProblem, parse_address

RELAY_ID = re.compile(r"[a-z0-9_-]{1,63}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
# RFC 5321 §4.1.1.1: a domain, or an address literal in brackets.
_EHLO_NAME = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Za-z:.]{2,60}\]"
)
NULL_PATH = "<>"


def relay_findings(relay_id: str, relay: RelayTable) -> Iterator[Finding]:
    """All that is wrong with a relay whose keys are well formed."""
    here: KeyPath = ("relays", relay_id)
    if not RELAY_ID.fullmatch(relay_id):
        text = "a relay's id is 1 to 63 of a-z, 0-9, _ and -"
        yield Finding((here,), text)
    for check in _CHECKS:
        for keys, text in check(relay):
            yield Finding(tuple((*here, *key.split(".")) for key in keys), text)


def is_loopback(host: str) -> bool:
    """Whether *host* can only be this machine."""
    address = _address(host)
    return address.is_loopback if address else host.lower() == "localhost"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _way(relay: RelayTable) -> Faults:
    if not relay.host:
        yield ("host",), "is required"
    elif not (_NAME.fullmatch(relay.host) or _address(relay.host)):
        yield ("host",), "must be a host name or an address, without a port"
    if relay.ehlo_name and not _EHLO_NAME.fullmatch(relay.ehlo_name):
        yield ("ehlo_name",), "must be a domain, or an address in brackets"
    if relay.encryption == "none" and relay.username and not is_loopback(relay.host):
        yield (
            ("encryption", "username", "host"),
            "must be tls or ssl: credentials are sent in the clear to loopback only",
        )


def _files(relay: RelayTable) -> Faults:
    if not relay.tls_ca_file:
        return
    try:
        Path(relay.tls_ca_file).read_bytes()
    except OSError as error:
        yield ("tls_ca_file",), f"can't read {relay.tls_ca_file}: {error.strerror}"


def _addresses(relay: RelayTable) -> Faults:
    for key in ("from_address", "envelope_from"):
        address = getattr(relay, key)
        if not address or (key == "envelope_from" and address == NULL_PATH):
            continue
        try:
            parse_address(address)
        except AddressProblem as problem:
            yield (key,), f"is no address: {problem}"


def _delays(relay: RelayTable) -> Faults:
    if relay.retry.min_delay > relay.retry.max_delay:
        yield (
            ("retry.min_delay", "retry.max_delay"),
            f"must not be more than max_delay ({number(relay.retry.max_delay)})",
        )


_CHECKS: tuple[Callable[[RelayTable], Faults], ...] = (
    _way,
    credential_faults,
    _files,
    _addresses,
    _delays,
)
