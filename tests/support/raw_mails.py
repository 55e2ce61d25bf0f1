"""Mails that their caller composed: a plain one to vary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from postroom_server.domain.draft import RawDraft
from postroom_server.domain.errors import InvalidMessage
from postroom_server.domain.limits import Limits
from postroom_server.domain.message import RawMessage
from postroom_server.domain.octets import Contents
from postroom_server.domain.validation_raw import check_raw

FIELDS = (
    "From: Ann <ann@example.com>",
    "To: bob@example.org",
    "Subject: Hello",
    "Date: Fri, 21 Nov 1997 09:55:06 -0600",
    "Message-ID: <1@example.com>",
)
BODY = b"Dear Bob,\r\nhello.\r\n"


def mime(*more: str | bytes, without: str = "", body: bytes = BODY) -> bytes:
    """A mail with the fields *more* and not the one of that name."""
    kept = [f for f in FIELDS if not (without and f.startswith(f"{without}:"))]
    lines = [f if isinstance(f, bytes) else f.encode() for f in (*kept, *more)]
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def raw_draft(data: bytes | None = mime(), **changes: Any) -> RawDraft:
    """A raw mail without problems, but for *data* and *changes*."""
    plain = RawDraft(
        data=data,
        envelope_from="bounces@example.com",
        recipients=("bob@example.org",),
    )
    return replace(plain, **changes)


def raw_message(data: bytes = mime(), **changes: Any) -> RawMessage:
    """What becomes of a valid `raw_draft`."""
    return check_raw(raw_draft(data, **changes), {}, Limits()).message


def raw_problems(
    draft: RawDraft, contents: Contents | None = None, limits: Limits | None = None
) -> list[tuple[str, str]]:
    """What is wrong with *draft*: fields and descriptions."""
    try:
        check_raw(draft, contents or {}, limits or Limits())
    except InvalidMessage as error:
        return [(p.field, p.description) for p in error.problems]
    return []
