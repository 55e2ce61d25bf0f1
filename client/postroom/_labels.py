"""Tags, metadata and notifications, as callers give them, into a request's; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from postroom._convert import number_of
from postroom._names import check_text, several
from postroom._problems import Problems
from postroom.messages import Dsn
from postroom.v1 import send_pb2
from postroom.words import DsnNotify, DsnReturn

Metadata = dict[str, str]


def tags_of(given: str | Iterable[str]) -> list[str]:
    """One tag or several as a list; raises `TypeError` for what is no text."""
    tags = [given] if isinstance(given, str) else list(several("tags", given, "texts"))
    for place, tag in enumerate(tags):
        check_text(f"tags[{place}]", tag)
    return tags


def metadata_of(given: Mapping[Any, Any], path: str, problems: Problems) -> Metadata:
    """*given* as it goes into the field *path*; what is no text goes to *problems*.

    Raises `TypeError` where it is no mapping.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"{path}: give names and texts, not {type(given).__name__}")
    found: Metadata = {}
    for name, value in given.items():
        if isinstance(name, str) and isinstance(value, str):
            found[name] = value
        else:
            kind = type(value if isinstance(name, str) else name).__name__
            problems.add(f"{path}[{name}]", f"must be text, not {kind}")
    return found


def dsn_of(given: Dsn | None, problems: Problems) -> send_pb2.Dsn | None:
    """*given* as the contract has it; what is no word goes to *problems*."""
    if given is None:
        return None
    several = (given.notify,) if isinstance(given.notify, str) else given.notify
    times = [
        problems.word(f"dsn.notify[{place}]", DsnNotify, time)
        for place, time in enumerate(several)
    ]
    kind = problems.word("dsn.return_content", DsnReturn, given.return_content)
    return send_pb2.Dsn(
        notify=[number_of(time, send_pb2.DsnNotify.DESCRIPTOR) for time in times],
        return_content=number_of(kind, send_pb2.DsnReturn.DESCRIPTOR),
        envelope_id=given.envelope_id,
        required=given.required,
    )
