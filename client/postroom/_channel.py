"""How to reach the service: targets, TLS and the options of a channel.

Plain text is for this machine; beyond it there is TLS, unless the caller says that the
network between is trusted.  A token never leaves this machine in plain text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.metadata import version
from ipaddress import ip_address
from os import PathLike
from pathlib import Path
from typing import Literal

import grpc

from postroom._tokens import Token
from postroom.arguments import SecurityArguments

MAX_RESPONSE_BYTES = 16 * 1_048_576
Options = tuple[tuple[str, int | str], ...]
OPTIONS: Options = (
    ("grpc.primary_user_agent", f"postroom-python/{version('postroom')}"),
    ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
    # A dead link is noticed within 40 s, by a call that waits on it too.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # We call again by ourselves, with rules that a channel does not have.
    ("grpc.enable_retries", 0),
    # While the way to the service is down, calls fail with its last error; so soon
    # is the way tried again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Closing a client closes its connection, whoever else has the same target.
    ("grpc.use_local_subchannel_pool", 1),
)
_SCHEME = re.compile(r"(?:dns|ipv4|ipv6):(?://[^/]*/)?")
_PORT = re.compile(r":\d+\Z")
_SOCKET = re.compile(r"unix(?:-abstract)?:(?://(?=/))?")
_URL = re.compile(r"(?:https?|grpcs?|tcp)://", re.IGNORECASE)
LONGEST_SOCKET = 107
"""Bytes of a socket's path: what Linux has room for, and gRPC takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way to a service; without *credentials* it is plain text."""

    target: str
    options: Options
    credentials: grpc.ChannelCredentials | None = field(repr=False)
    token: Token

    def channel(self) -> grpc.Channel:
        """A channel, which connects with its first call."""
        if self.credentials is None:
            return grpc.insecure_channel(self.target, options=self.options)
        return grpc.secure_channel(self.target, self.credentials, options=self.options)

    def async_channel(self) -> grpc.aio.Channel:
        """The same for the event loop that runs."""
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.target, options=self.options)
        return grpc.aio.secure_channel(
            self.target, self.credentials, options=self.options
        )


def way_to(target: str, plaintext: bool | None, security: SecurityArguments) -> Way:  # noqa: FBT001  as the caller gave it
    """The way to *target*.

    Raises `ValueError` for arguments that contradict each other, for a token that
    would travel in plain text, and for a *target* that can't be one; `OSError` for a
    file that can't be read.
    """
    _check_form(target)
    _check_socket(target)
    local = is_local(target)
    given = [name for name in _FILES if security.get(name)]
    plain = (local and not given) if plaintext is None else plaintext
    if plain and given:
        raise ValueError(f"{given[0]} is set, and plaintext too: TLS, or plain text")
    token = Token(security.get("token"), security.get("token_file"))
    if plain and token and not local:
        raise ValueError(
            f"the token would travel to {target} in plain text, where it can be stolen:"
            " leave plaintext out"
        )
    # A proxy of the environment is not on the way to this machine.
    proxy = (("grpc.enable_http_proxy", 0),) if local else ()
    return Way(
        target=target,
        options=(*OPTIONS, *proxy),
        credentials=None if plain else _credentials(security),
        token=token,
    )


_FILES: tuple[Literal["ca_file", "cert_file", "key_file"], ...] = (
    "ca_file",
    "cert_file",
    "key_file",
)


def _credentials(security: SecurityArguments) -> grpc.ChannelCredentials:
    roots, chain, key = (_bytes_of(security.get(name)) for name in _FILES)
    if (chain is None) != (key is None):
        raise ValueError("a client's certificate needs cert_file and key_file")
    return grpc.ssl_channel_credentials(roots, key, chain)


def _bytes_of(name: str | PathLike[str] | None) -> bytes | None:
    return Path(name).read_bytes() if name else None


def _check_form(target: str) -> None:
    # gRPC would look for a host of that name.
    if not target or _URL.match(target):
        raise ValueError(f"{target!r} is no target: it is host:port, or unix:/path")


def _check_socket(target: str) -> None:
    scheme = _SOCKET.match(target)
    size = len(target[scheme.end() :].encode(errors="surrogateescape")) if scheme else 0
    if size > LONGEST_SOCKET:
        raise ValueError(
            f"{target} is no target: the path of a socket has at most {LONGEST_SOCKET}"
            f" bytes, and this has {size}"
        )


def is_local(target: str) -> bool:
    """Whether *target* can only be this machine."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host = _host(_SCHEME.sub("", target, count=1))
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host(authority: str) -> str:
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return _PORT.sub("", authority).lower()
