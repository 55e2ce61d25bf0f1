"""What reflection tells: our files with their comments, and those of gRPC itself.

The descriptors inside the generated code have neither comments nor JSON names; the
bundled descriptor set has both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import resources

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.rpc import error_details_pb2

from postroom_server.rpc import wire

BUNDLE = "postroom_v1.binpb"


class DescriptorIndex:
    """Files by name and by the symbols that they declare."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        self._files = {file.name: file for file in files}
        self._by_symbol = {
            symbol: file.name
            for file in self._files.values()
            for symbol in _symbols(file)
        }
        self._serialised = {
            name: _with_json_names(file).SerializeToString()
            for name, file in self._files.items()
        }
        self.services = sorted(
            f"{file.package}.{service.name}"
            for file in self._files.values()
            for service in file.service
        )

    def by_filename(self, name: str) -> Sequence[bytes] | None:
        """The file and all that it imports, each once, or None if it is unknown."""
        if name not in self._files:
            return None
        return [self._serialised[each] for each in self._closure(name)]

    def by_symbol(self, symbol: str) -> Sequence[bytes] | None:
        """The same for the file that declares *symbol*, a full name."""
        name = self._by_symbol.get(symbol)
        return None if name is None else self.by_filename(name)

    def declares(self, message: str) -> bool:
        """Whether *message* is a symbol that we know."""
        return message in self._by_symbol

    def _closure(self, name: str) -> Sequence[str]:
        names = [name]
        for each in names:
            imported = self._files[each].dependency
            names.extend(other for other in imported if other not in names)
        return names


def served_files() -> list[FileDescriptorProto]:
    """All files whose services this server offers, and what they import.

    The details of errors are among them, so that grpcurl can print what was wrong.
    """
    bundle = resources.files("postroom.v1").joinpath(BUNDLE).read_bytes()
    ours = FileDescriptorSet.FromString(bundle).file
    errors = FileDescriptorProto.FromString(error_details_pb2.DESCRIPTOR.serialized_pb)
    return [*ours, errors, *wire.FILES]


def _symbols(file: FileDescriptorProto) -> Iterator[str]:
    prefix = f"{file.package}." if file.package else ""
    yield from _type_symbols(prefix, file.message_type, file.enum_type)
    for service in file.service:
        yield f"{prefix}{service.name}"
        for method in service.method:
            yield f"{prefix}{service.name}.{method.name}"


def _type_symbols(
    prefix: str,
    messages: Iterable[DescriptorProto],
    enums: Iterable[EnumDescriptorProto],
) -> Iterator[str]:
    for enum in enums:
        yield f"{prefix}{enum.name}"
        # Values are siblings of their enum, not members.
        yield from (f"{prefix}{value.name}" for value in enum.value)
    for message in messages:
        inside = f"{prefix}{message.name}."
        yield inside[:-1]
        yield from (f"{inside}{field.name}" for field in message.field)
        yield from (f"{inside}{oneof.name}" for oneof in message.oneof_decl)
        yield from _type_symbols(inside, message.nested_type, message.enum_type)


def _with_json_names(file: FileDescriptorProto) -> FileDescriptorProto:
    copy = FileDescriptorProto.FromString(file.SerializeToString())
    for message in _messages(copy.message_type):
        for field in message.field:
            field.json_name = field.json_name or _camel_case(field.name)
    return copy


def _messages(messages: Iterable[DescriptorProto]) -> Iterator[DescriptorProto]:
    for message in messages:
        yield message
        yield from _messages(message.nested_type)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)
