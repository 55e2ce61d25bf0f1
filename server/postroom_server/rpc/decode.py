"""Bytes into a request, strictly: what we don't know is refused, never ignored.

gRPC would turn bad bytes into INTERNAL, and protobuf drops fields and keeps enum values
that this server does not know.  Mail that lost an option must not leave, so all three
are refused, and the place is named.  Maps of the contract hold text alone; an entry
with an unknown field of its own is kept by protobuf as an unknown field of that number
beside the map.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, TypeAlias, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from postroom_server.domain.errors import MalformedRequest, Problem, UnknownField
from postroom_server.rpc.flood import refuse_flood

PROBLEMS_LIMIT = 100
"""More unknown fields than this are not looked for."""

_M = TypeVar("_M", bound=Message)
_Value: TypeAlias = Any  # whatever a field of the contract may hold


def decode(kind: type[_M], raw: bytes, *, strict: bool = True) -> _M:
    """The request that *raw* is.

    Raises `MalformedRequest` if it is no such message or holds text that is no
    UTF-8, and, where *strict*, `UnknownField` for fields and enum values that *kind*
    lacks; in any case `InvalidRequestError` for far too many fields.
    """
    described: Any = kind.DESCRIPTOR
    refuse_flood(raw, described)
    try:
        request = kind.FromString(raw)
    except DecodeError as error:
        text = f"the request is no valid {kind.DESCRIPTOR.full_name}"
        raise MalformedRequest(text) from error
    if strict:
        refuse_unknown(request)
    return request


def refuse_unknown(request: Message) -> None:
    """Raise `UnknownField` if there is anything in *request* that we don't know."""
    if _kind(request.DESCRIPTOR).knows(request):
        return
    problems: list[Problem] = []
    _collect(problems, _unknown_fields(request, ""))
    _collect(problems, _unknown_values(request, ""))
    raise UnknownField(problems)


def refuse_unknown_here(request: Message) -> None:
    """The same for the fields of *request* itself, not of what is within them."""
    numbers = {field.field_number for field in _unknown_in(request)}
    if numbers:
        raise UnknownField(
            [Problem(str(n), f"unknown field number {n}") for n in sorted(numbers)]
        )


def _collect(problems: list[Problem], found: Iterator[Problem]) -> None:
    for problem in found:
        if len(problems) == PROBLEMS_LIMIT:
            return
        problems.append(problem)


def _unknown_in(message: Message) -> Iterable[Any]:
    unknown: Iterable[Any] = UnknownFieldSet(message)  # type: ignore[assignment]
    return unknown


def _unknown_fields(message: Message, path: str) -> Iterator[Problem]:
    for number in sorted({field.field_number for field in _unknown_in(message)}):
        known = message.DESCRIPTOR.fields_by_number.get(number)
        if known is None:
            yield Problem(f"{path}{number}", f"unknown field number {number}")
        else:
            yield Problem(f"{path}{known.name}", "an unknown field in an entry")
    for field, value in message.ListFields():
        if field.message_type is not None and not _is_map(field):
            for place, child in _entries(field, value, path):
                yield from _unknown_fields(child, f"{place}.")


def _unknown_values(message: Message, path: str) -> Iterator[Problem]:
    fields = message.ListFields()
    for field, value in fields:
        if field.enum_type is not None:
            for place, number in _entries(field, value, path):
                if number not in field.enum_type.values_by_number:
                    yield Problem(place, f"unknown value {number}")
    for field, value in fields:
        if field.message_type is not None and not _is_map(field):
            for place, child in _entries(field, value, path):
                yield from _unknown_values(child, f"{place}.")


def _is_map(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and bool(kind.GetOptions().map_entry)


def _entries(
    field: FieldDescriptor, value: _Value, path: str
) -> Iterator[tuple[str, _Value]]:
    if not field.is_repeated:
        yield f"{path}{field.name}", value
        return
    for index, entry in enumerate(value):
        yield f"{path}{field.name}[{index}]", entry


class _Kind:
    """Tells whether there is anything unknown in messages of one kind.

    Asked of every request; only where there is, it is looked for with a path.
    """

    def __init__(self, kind: Descriptor) -> None:
        enums = [
            (field, frozenset(field.enum_type.values_by_number))
            for field in kind.fields
            if field.enum_type is not None
        ]
        self._enums = [(f.name, known) for f, known in enums if not f.is_repeated]
        self._enum_lists = [(f.name, known) for f, known in enums if f.is_repeated]
        below = [
            (field, field.message_type)
            for field in kind.fields
            if field.message_type is not None and not _is_map(field)
        ]
        self._messages = [(f.name, kind) for f, kind in below if not f.is_repeated]
        self._lists = [(f.name, kind) for f, kind in below if f.is_repeated]
        self._below = bool(below)

    def knows(self, message: Message) -> bool:
        """Whether all in *message* is known."""
        if UnknownFieldSet(message):
            return False
        for name, known in self._enums:
            if getattr(message, name) not in known:
                return False
        for name, known in self._enum_lists:
            if not known.issuperset(getattr(message, name)):
                return False
        return not self._below or self._knows_below(message)

    def _knows_below(self, message: Message) -> bool:
        for name, kind in self._messages:
            if message.HasField(name) and not _kind(kind).knows(getattr(message, name)):
                return False
        for name, kind in self._lists:
            children = getattr(message, name)
            if children and not all(map(_kind(kind).knows, children)):
                return False
        return True


_kind = cache(_Kind)
