"""Addresses that stand in requests outside a mail."""

from __future__ import annotations

from postroom_server.domain.address import Address, AddressProblem, parse_address
from postroom_server.domain.errors import InvalidArgument, Problem


def checked_address(text: str, path: str) -> Address:
    """The address in the field *path*; raises `InvalidArgument` where it is none."""
    try:
        return parse_address(text)
    except AddressProblem as problem:
        raise InvalidArgument([Problem(path, str(problem))]) from None
