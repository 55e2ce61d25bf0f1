"""New tokens, and the lines of the configuration that make them good.

A token is random and is nowhere kept: what the configuration holds is its SHA-256.  It
begins with a word and ends with a checksum, so that a scanner which finds one in a
place where it should not be knows it for what it is.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from collections.abc import Iterator

from postroom_server.config.access_checks import ID, credential_faults
from postroom_server.config.access_schema import CredentialTable
from postroom_server.config.text import toml_key, toml_value

PREFIX = "postroom_"
RANDOM = 40
"""Characters, of 62 each: 238 bits, so that nobody finds a token by its digest."""
CHECKSUM = 6
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase


def new_token() -> str:
    """A token that nobody else has."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM))
    return f"{PREFIX}{text}{_checksum(text)}"


def is_token(text: str) -> bool:
    """Whether *text* was made by `new_token`, as far as anybody can tell."""
    body = text.removeprefix(PREFIX)
    random, checksum = body[:RANDOM], body[RANDOM:]
    return text != body and len(random) == RANDOM and checksum == _checksum(random)


def digest_of(token: str) -> str:
    """What the configuration holds of *token*."""
    return hashlib.sha256(token.encode()).hexdigest()


def faults_of(name: str, credential: CredentialTable) -> Iterator[str]:
    """What is wrong with a new credential, by the option that says it."""
    if not ID.fullmatch(name):
        yield "--name: must be 1 to 63 of a-z, 0-9, _ and -"
    for keys, text in credential_faults(credential):
        yield f"--{keys[0].removesuffix('s').replace('_', '-')}: {text}"


def stanza(name: str, credential: CredentialTable) -> str:
    """The lines that make *credential* good under *name*; defaults are left out."""
    lines = [f"[credentials.{toml_key(name)}]"]
    for key, field in CredentialTable.model_fields.items():
        value = getattr(credential, key)
        if value != field.default or key in {"tenant", "role"}:
            lines.append(f"{key} = {toml_value(value)}")
    return "\n".join(lines)


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(CHECKSUM):
        number, place = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[place] + digits
    return digits
