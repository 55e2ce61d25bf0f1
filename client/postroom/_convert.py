"""Messages of the contract into results; total and pure.

A result's fields have the names of the message's, and its type hints say the rest: a
tuple is a repeated field, a `Mapping` a map, "| None" one that may be unset, a `float`
of a Duration its seconds; a field that is not the message's says so ("ours").  What
goes where is settled once for each type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from postroom.words import Word

Result = TypeVar("Result")
Reader = Callable[[Any], Any]
_DURATION = "google.protobuf.Duration"


def read(kind: type[Result], message: Message) -> Result:
    """*message* as a result of that *kind*."""
    readers = _settled(kind, message.DESCRIPTOR)
    return kind(**{name: reader(message) for name, reader in readers})


def _readers(kind: type[Any], descriptor: Descriptor) -> tuple[tuple[str, Reader], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (field.name, _reader(hints[field.name], descriptor.fields_by_name[field.name]))
        for field in fields(kind)
        if not field.metadata.get("ours")
    )


# mypy takes no class for hashable.
_settled: Callable[..., tuple[tuple[str, Reader], ...]] = cache(_readers)


def _reader(hint: Any, field: FieldDescriptor) -> Reader:  # noqa: ANN401  type hints have no type
    name = field.name
    if get_origin(hint) is tuple:
        convert = _converter(get_args(hint)[0], field)
        return lambda message: tuple(map(convert, getattr(message, name)))
    if get_origin(hint) is Mapping:
        return lambda message: dict(getattr(message, name))
    if isinstance(hint, UnionType):
        convert = _converter(get_args(hint)[0], field)
        return lambda message: (
            convert(getattr(message, name)) if message.HasField(name) else None
        )
    convert = _converter(hint, field)
    return lambda message: convert(getattr(message, name))


def _converter(hint: Any, field: FieldDescriptor) -> Reader:  # noqa: ANN401  as above
    if is_dataclass(hint):
        return lambda message: read(hint, message)  # type: ignore[arg-type]
    if hint is datetime:
        return lambda timestamp: timestamp.ToDatetime(tzinfo=UTC)
    if field.enum_type:
        return _word_reader(hint, field.enum_type)
    if field.message_type and field.message_type.full_name == _DURATION:
        return lambda duration: duration.seconds + duration.nanos / 1e9
    return _unchanged


def _word_reader(words: type[Word], enum: EnumDescriptor) -> Reader:
    prefix, unknown = prefix_of(enum), words("UNSPECIFIED")
    ours = {prefix + word: word for word in words}
    known = {value.number: ours.get(value.name, unknown) for value in enum.values}
    return lambda number: known.get(number, unknown)


def prefix_of(enum: EnumDescriptor) -> str:
    """What each name of *enum* begins with: "DELIVERY_STATUS_"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"


def number_of(word: Word, enum: EnumDescriptor) -> Any:  # noqa: ANN401  each enumeration's numbers have a type of their own
    """The number that *word* has in *enum*."""
    return enum.values_by_name[prefix_of(enum) + word].number


def _unchanged(value: Any) -> Any:  # noqa: ANN401  as above
    return value
