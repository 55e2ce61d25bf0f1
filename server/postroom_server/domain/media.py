"""Media types of attachments: read strictly, written again from what was read.

RFC 2045 §5.1 for the form, RFC 6838 §4.2 for the names.  Kinds whose bytes can't stand
as an attachment are refused: ``multipart/*`` has a structure of its own, and the
partial and external-body kinds of ``message`` are not the file but a way to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_MEDIA_TYPE = 255
"""Characters with parameters; the longest registered names are far below."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_VALUE = r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+"  # RFC 2045 §5.1
_TYPE = re.compile(rf"({_NAME})/({_NAME})")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_VALUE})=({_VALUE}|"(?:[^"\\]|\\.)*")')
_SET_BY_US = ("name", "filename")


class MediaTypeProblem(ValueError):
    """Why a text is no media type that an attachment may have, as one sentence."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type; *parameters* are written as they were read."""

    type: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def is_message(self) -> bool:
        """Whether it is a mail or a report about one, which stays unencoded."""
        # RFC 6532 §3.7: message/global alone may be encoded like a file.
        return self.type == "message" and not self.subtype.startswith("global")

    def __str__(self) -> str:
        parameters = "".join(f"; {name}={value}" for name, value in self.parameters)
        return f"{self.type}/{self.subtype}{parameters}"


def parse_media_type(text: str) -> MediaType:
    """The media type that *text* is; raises `MediaTypeProblem` where it is none."""
    if not text:
        raise MediaTypeProblem("A media type is required.")
    if len(text) > MAX_MEDIA_TYPE:
        raise MediaTypeProblem(f"Longer than {MAX_MEDIA_TYPE} characters.")
    found = _TYPE.match(text)
    if not found or not (text.isascii() and text.isprintable()):
        raise MediaTypeProblem('Must have the form "type/subtype" (RFC 6838).')
    media = MediaType(
        found[1].lower(), found[2].lower(), _parameters(text, found.end())
    )
    if media.type == "multipart":
        raise MediaTypeProblem("multipart/* has parts of its own and is no file.")
    if media.type == "message" and media.subtype in {"partial", "external-body"}:
        raise MediaTypeProblem(f"{media} is no file.")
    return media


def _parameters(text: str, start: int) -> tuple[tuple[str, str], ...]:
    parameters: dict[str, str] = {}
    while start < len(text):
        found = _PARAMETER.match(text, start)
        if not found:
            raise MediaTypeProblem(
                'Parameters have the form "; name=value" (RFC 2045).'
            )
        name = found[1].lower()
        if name in parameters:
            raise MediaTypeProblem("A parameter is given twice.")
        if name.partition("*")[0] in _SET_BY_US:
            raise MediaTypeProblem("The file name belongs in filename.")
        parameters[name] = found[2]
        start = found.end()
    return tuple(parameters.items())
