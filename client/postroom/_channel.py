"""How to reach the service: targets and the options of a channel.

Plain text is for this machine alone, unless the caller says that it may go further.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from ipaddress import ip_address

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


def channel_options(target: str, *, plaintext: bool | None) -> Options:
    """The options of a channel to *target*.

    Raises `ValueError` for a target beyond this machine, unless *plaintext* is True.
    """
    local = is_local(target)
    if not (local if plaintext is None else plaintext):
        raise ValueError(
            f"{target} may be beyond this machine, and mail would travel to it in"
            " plain text: pass plaintext=True if the network between is trusted"
        )
    # A proxy of the environment is not on the way to this machine.
    proxy = (("grpc.enable_http_proxy", 0),) if local else ()
    return (*OPTIONS, *proxy)


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
