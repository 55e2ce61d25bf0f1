"""The token that a client's calls carry: given, from a file, or asked for each time.

It is never shown: not in print, log or error.  A file is read with each attempt, so
that a token can be changed while the client lives.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from postroom.errors import ErrorDetails, Unauthenticated

TokenLike = str | Callable[[], str]
"""A token, or what gives one; called before each attempt, so it should not wait."""

Metadata = tuple[tuple[str, str], ...]

# RFC 6750 §2.1 allows less; what is no visible ASCII can't be in a header at all.
_TOKEN = re.compile(r"[!-~]+")


class Token:
    """Where the token of each attempt comes from."""

    def __init__(
        self,
        given: TokenLike | None = None,
        file: str | PathLike[str] | None = None,
    ) -> None:
        """Raises `ValueError` for two sources, and for what can't be a token."""
        if given is not None and file is not None:
            raise ValueError("token and token_file are both set: one is enough")
        self._given = given
        self._file = None if file is None else Path(file)
        if isinstance(given, str):
            _checked(given, "token")

    def __bool__(self) -> bool:
        return self._given is not None or self._file is not None

    def __repr__(self) -> str:
        return "Token(***)" if self else "Token()"

    def metadata(self) -> Metadata:
        """What an attempt carries.

        Raises `Unauthenticated` where the file can't be read, and `ValueError` where
        what was asked gives no token.
        """
        if not self:
            return ()
        return (("authorization", f"Bearer {self._text()}"),)

    def _text(self) -> str:
        if self._file is not None:
            return self._read(self._file)
        if callable(self._given):
            return _checked(self._given(), "what token gave")
        return self._given or ""

    def _read(self, file: Path) -> str:
        try:
            return _checked(file.read_text(encoding="ascii").strip(), str(file))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "holds no token"
            details = ErrorDetails(nothing_sent=True)
            raise Unauthenticated(f"token file {file}: {why}", details) from None


def _checked(text: str, where: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{where} is no token: visible ASCII without spaces")
    return text
