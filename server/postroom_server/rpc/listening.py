"""Where the server listens: a TCP address, or a Unix socket that is its alone.

What other machines can reach needs encryption and credentials, unless the operator says
otherwise in so many words: what is not encrypted can be read, and tokens be stolen; who
need not say who they are owns everything.

gRPC binds a Unix path that another server uses without a word, so a lock file beside it
decides whose it is; it stays when we leave, or its lock could be taken twice.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import grpc

from postroom_server.domain.clock import Clock
from postroom_server.domain.hosts import is_loopback
from postroom_server.rpc.certificates import CertificateError, ServerCertificates
from postroom_server.rpc.settings import RpcSettings

UNIX = "unix:"
# The socket itself must never be open to others, not even for a moment.
_UMASK = 0o177


class ListenError(OSError):
    """The address can't be listened on; the text says why, for the operator."""


@contextmanager
def listening(
    server: grpc.Server,
    settings: RpcSettings,
    clock: Clock,
    on_certificates: Callable[[ServerCertificates], None] = lambda _: None,
) -> Iterator[str]:
    """Bind *server* as *settings* say and give the address that callers may use.

    *on_certificates* is given what keeps our certificate, where there is one.

    What belongs to the address is released at the end of the ``with`` block, when the
    server has stopped.  Raises `ListenError`.
    """
    address = settings.listen
    with ExitStack() as stack:
        if address.startswith(UNIX):
            path = Path(address.removeprefix(UNIX))
            stack.enter_context(_unix_socket(path))
            identity = stack.enter_context(_identity(settings, clock, on_certificates))
            _bind_unix(server, path, identity)
            yield address
            return
        refuse_exposed(settings)
        host = _host(address)
        identity = stack.enter_context(_identity(settings, clock, on_certificates))
        _probe(address, shared=settings.shares_port).close()
        yield f"{host}:{_bind(server, address, identity)}"


@contextmanager
def reserved(address: str) -> Iterator[str]:
    """Hold *address* for processes that share it; it comes with its port.

    Nobody connects to what is bound and does not listen; but nobody else gets it,
    between the end of one process and the start of the next.  Raises `ListenError`.
    """
    _host(address)
    with closing(_probe(address, shared=False)) as first:
        # Others that share it can bind it only if all do.
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        host, port = address.rpartition(":")[0], first.getsockname()[1]
        yield f"{host}:{port}"


@contextmanager
def _identity(
    settings: RpcSettings,
    clock: Clock,
    on_certificates: Callable[[ServerCertificates], None],
) -> Iterator[grpc.ServerCredentials | None]:
    """What proves who we are; None: nothing, and nothing is encrypted."""
    if settings.tls is None:
        yield None
        return
    try:
        certificates = ServerCertificates(settings.tls, clock)
    except CertificateError as error:
        raise ListenError(f"can't listen with TLS: {error}") from None
    on_certificates(certificates)
    certificates.start()
    try:
        yield certificates.credentials()
    finally:
        certificates.close()


def refuse_exposed(settings: RpcSettings) -> None:
    """Raise `ListenError` where other machines would reach too much."""
    address = settings.listen
    if address.startswith(UNIX) or is_loopback(_host(address)):
        return
    where = f"refusing to listen on {settings.listen}"
    if settings.tls is not None:
        if not settings.credentials:
            text = (
                f"{where} without credentials: everybody who reaches it would be "
                'administrator; make some with "postroomd token create"'
            )
            raise ListenError(text)
        return
    if not settings.insecure_plaintext:
        text = (
            f"{where} without encryption: set server.tls.cert_file, "
            "use a loopback address or a Unix socket, "
            "or start with --insecure-plaintext"
        )
        raise ListenError(text)
    if settings.credentials and not settings.insecure_tokens:
        text = (
            f"{where} without encryption: tokens could be stolen on the way; set "
            "server.tls.cert_file, or start with --insecure-tokens-over-plaintext if "
            "something else encrypts"
        )
        raise ListenError(text)


def _host(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        text = f'the address {address!r} is neither "host:port" nor "unix:/path"'
        raise ListenError(text)
    return host


def _probe(address: str, *, shared: bool) -> socket.socket:
    """Find out by ourselves: gRPC writes a line of its own before it fails."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    probe = socket.socket(family, socket.SOCK_STREAM)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        probe.bind((host.strip("[]"), int(port)))
    except OSError as error:
        probe.close()
        text = f"can't listen on {address}: {os.strerror(error.errno or 0)}"
        raise ListenError(text) from error
    return probe


def _bind(
    server: grpc.Server, address: str, identity: grpc.ServerCredentials | None
) -> int:
    try:
        if identity is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, identity)
    except RuntimeError as error:
        text = f"can't listen on {address}: in use by another process, or not ours"
        raise ListenError(text) from error
    return port


def _bind_unix(
    server: grpc.Server, path: Path, identity: grpc.ServerCredentials | None
) -> None:
    before = os.umask(_UMASK)
    try:
        _bind(server, f"{UNIX}{path}", identity)
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
