"""Where the server listens: a TCP address, or a Unix socket that is its alone.

Without encryption only loopback and Unix sockets are allowed, unless the operator says
otherwise.  gRPC binds a Unix path that another server uses without a word, so a lock
file beside it decides whose it is; it stays when we leave, or its lock could be taken
twice.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc

UNIX = "unix:"
# The socket itself must never be open to others, not even for a moment.
_UMASK = 0o177


class ListenError(OSError):
    """The address can't be listened on; the text says why, for the operator."""


@contextmanager
def listening(
    server: grpc.Server, address: str, *, insecure_plaintext: bool
) -> Iterator[str]:
    """Bind *server* to *address* and give the address that callers may use.

    What belongs to the address is released at the end of the ``with`` block, when the
    server has stopped.  Raises `ListenError`.
    """
    if address.startswith(UNIX):
        with _unix_socket(Path(address.removeprefix(UNIX))) as path:
            _bind_unix(server, path)
            yield address
        return
    host = _host(address)
    if not insecure_plaintext and not _is_loopback(host):
        text = (
            f"refusing to listen on {address} without encryption: "
            "use a loopback address or a Unix socket, "
            "or start with --insecure-plaintext"
        )
        raise ListenError(text)
    _refuse_if_taken(host.strip("[]"), int(address.rpartition(":")[2]), address)
    yield f"{host}:{_bind(server, address)}"


def _host(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        text = f'the address {address!r} is neither "host:port" nor "unix:/path"'
        raise ListenError(text)
    return host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refuse_if_taken(host: str, port: int, address: str) -> None:
    """Find out by ourselves: gRPC writes a line of its own before it fails."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            text = f"can't listen on {address}: {os.strerror(error.errno or 0)}"
            raise ListenError(text) from error


def _bind(server: grpc.Server, address: str) -> int:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        text = f"can't listen on {address}: in use by another process, or not ours"
        raise ListenError(text) from error
    return port


def _bind_unix(server: grpc.Server, path: Path) -> None:
    before = os.umask(_UMASK)
    try:
        _bind(server, f"{UNIX}{path}")
    finally:
        os.umask(before)


@contextmanager
def _unix_socket(path: Path) -> Iterator[Path]:
    """Own *path*: nobody else serves it, and nothing is left there."""
    with ExitStack() as stack:
        stack.enter_context(_locked(path.with_name(path.name + ".lock")))
        _remove_stale(path)
        stack.callback(_remove_quietly, path)
        yield path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        text = f"can't make the lock file {path}: {error.strerror}"
        raise ListenError(text) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            text = f"another server listens there: {path} is locked"
            raise ListenError(text) from error
        yield
    finally:
        os.close(lock)


def _remove_stale(path: Path) -> None:
    """Remove what a server that died left behind; nothing but a socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        text = f"can't listen on {path}: it exists and is no socket"
        raise ListenError(text)
    path.unlink()


def _remove_quietly(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
