"""The fields of a contract message, by reflection: none may be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

TIMES = {"google.protobuf.Timestamp", "google.protobuf.Duration"}


@dataclass(frozen=True)
class Leaf:
    """A field that holds a value; *path* leads to it from the outermost message."""

    path: tuple[FieldDescriptor, ...]

    def __str__(self) -> str:
        return ".".join(field.name for field in self.path)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.path)

    def put(self, message: Message, value: Any) -> None:
        """Set it in *message*; each list on the way gets one entry."""
        for field in self.path[:-1]:
            child = getattr(message, field.name)
            message = child.add() if field.is_repeated else child
            message.SetInParent()
        last = self.path[-1]
        if is_map(last):
            getattr(message, last.name).update(value)
        elif last.message_type is not None:
            child = getattr(message, last.name)
            (child.add() if last.is_repeated else child).CopyFrom(value)
        elif last.is_repeated:
            getattr(message, last.name).append(value)
        else:
            setattr(message, last.name, value)


def is_map(field: FieldDescriptor) -> bool:
    inner = field.message_type
    return inner is not None and bool(inner.GetOptions().map_entry)


def leaves(kind: Descriptor, *above: FieldDescriptor) -> Iterator[Leaf]:
    """Every value below *kind*; times, durations and maps count as values."""
    for field in kind.fields:
        inner = field.message_type
        if inner is None or inner.full_name in TIMES or is_map(field):
            yield Leaf((*above, field))
        else:
            yield from leaves(inner, *above, field)


def unset(message: Message, above: str = "") -> Iterator[str]:
    """The paths of all fields in *message* that are at their default."""
    filled = {field.name: value for field, value in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        path = f"{above}{field.name}"
        if field.name not in filled:
            yield path
            continue
        inner = field.message_type
        if inner is not None and inner.full_name not in TIMES and not is_map(field):
            value = filled[field.name]
            for entry in value if field.is_repeated else [value]:
                yield from unset(entry, f"{path}.")
