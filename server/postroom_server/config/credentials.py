"""Who logs in at a relay, and with which credential; no fault repeats a secret."""

from __future__ import annotations

from pathlib import Path

from postroom_server.config.relay_schema import RelayTable
from postroom_server.config.token_checks import Faults, mechanism_faults, token_faults
from postroom_server.domain.secret import Secret

_LARGEST = 16 * 1024
"""Bytes of a password file; a larger one is no password."""

_NEEDED = "needs password, password_file, token_command or token_file"


class UnreadablePassword(ValueError):
    """The password file can't be used; the text says why."""


def credential_faults(relay: RelayTable) -> Faults:
    """Keys of *relay*, the guilty one first, and what is wrong."""
    yield from _choice(relay)
    password = relay.password.get_secret_value()
    for key, text in (("username", relay.username), ("password", password)):
        if any(map(_control, text)):
            yield (key,), "holds a control character"
    if relay.password_file:
        try:
            password_of(relay)
        except UnreadablePassword as error:
            yield ("password_file",), str(error)
    yield from token_faults(relay)


def _choice(relay: RelayTable) -> Faults:
    """A user has one credential, and nobody has none."""
    sources = [name for name, given in _sources(relay).items() if given]
    if len(sources) > 1:
        yield tuple(sources), f"is set, and so is {sources[1]}: use one"
    if relay.username and not sources:
        yield ("username", *_sources(relay)), _NEEDED
    elif relay.username:
        yield from mechanism_faults(relay)
    else:
        for key in (*sources, *(["auth_mechanism"] if relay.auth_mechanism else [])):
            yield (key, "username"), "needs username"


def _sources(relay: RelayTable) -> dict[str, bool]:
    """Where a credential may be, and whether it is said to be there."""
    return {
        "password": bool(relay.password.get_secret_value()),
        "password_file": bool(relay.password_file),
        "token_command": bool(relay.token_command),
        "token_file": bool(relay.token_file),
    }


def password_of(relay: RelayTable) -> Secret:
    """The password, wherever it is.  Raises `UnreadablePassword`."""
    if not relay.password_file:
        return Secret(relay.password.get_secret_value())
    return password_in(relay.password_file)


def password_in(path: str) -> Secret:
    """The one line of the file *path*.  Raises `UnreadablePassword`."""
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
