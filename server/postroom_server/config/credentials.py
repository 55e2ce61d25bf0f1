"""Who logs in at a relay, and with which password; no fault repeats a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from postroom_server.config.relay_schema import RelayTable
from postroom_server.domain.secret import Secret

_LARGEST = 16 * 1024
"""Bytes of a password file; a larger one is no password."""


class UnreadablePassword(ValueError):
    """The password file can't be used; the text says why."""


def credential_faults(relay: RelayTable) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys of *relay*, the guilty one first, and what is wrong."""
    given = bool(relay.password.get_secret_value())
    if given and relay.password_file:
        yield ("password", "password_file"), "is set, and so is password_file: use one"
    if relay.username and not given and not relay.password_file:
        yield (
            ("username", "password", "password_file"),
            "needs password or password_file",
        )
    if not relay.username:
        yield from _needless(relay)
    if any(map(_control, relay.username)):
        yield ("username",), "holds a control character"
    if any(map(_control, relay.password.get_secret_value())):
        yield ("password",), "holds a control character"
    if relay.password_file:
        try:
            password_of(relay)
        except UnreadablePassword as error:
            yield ("password_file",), str(error)


def _needless(relay: RelayTable) -> Iterator[tuple[tuple[str, ...], str]]:
    """What means nothing unless somebody logs in."""
    values = {
        "password": relay.password.get_secret_value(),
        "password_file": relay.password_file,
        "auth_mechanism": relay.auth_mechanism,
    }
    for key, value in values.items():
        if value:
            yield (key, "username"), "needs username"


def password_of(relay: RelayTable) -> Secret:
    """The password, wherever it is.  Raises `UnreadablePassword`."""
    if not relay.password_file:
        return Secret(relay.password.get_secret_value())
    path = relay.password_file
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LARGEST + 1).decode()
    except OSError as error:
        raise UnreadablePassword(f"can't read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadablePassword(f"{path} is not UTF-8") from None
    return Secret(_only_line(text, path))


def _only_line(text: str, path: str) -> str:
    password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise UnreadablePassword(f"{path} is empty")
    if len(text.encode()) > _LARGEST or any(map(_control, password)):
        raise UnreadablePassword(f"{path} must hold one line, the password")
    return password


def _control(character: str) -> bool:
    # RFC 4616 §2 forbids NUL; the others are what a slip of the editor leaves.
    return character < " " or character == "\x7f"
