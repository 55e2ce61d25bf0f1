"""The messages of grpc.health.v1 and grpc.reflection, in a descriptor pool of ours.

The packaged ones (grpcio-health-checking, grpcio-reflection) are not needed otherwise,
and a second copy of their files in protobuf's one default pool would be refused at
import wherever they are installed too.  Field numbers are those of the official files,
github.com/grpc/grpc-proto.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1.ServerReflection"
REFLECTION_ALPHA = "grpc.reflection.v1alpha.ServerReflection"

_STRING = FieldDescriptorProto.TYPE_STRING
_BYTES = FieldDescriptorProto.TYPE_BYTES
_INT32 = FieldDescriptorProto.TYPE_INT32
_ENUM = FieldDescriptorProto.TYPE_ENUM
_MESSAGE = FieldDescriptorProto.TYPE_MESSAGE

_Kind: TypeAlias = "FieldDescriptorProto.Type.ValueType | str"
"""A scalar type, or the full name of a message."""

Dynamic: TypeAlias = Any
"""A message, or class of messages, whose fields only its descriptor knows."""


def health_file() -> FileDescriptorProto:
    """grpc/health/v1/health.proto."""
    file = _file("grpc.health.v1", "grpc/health/v1/health.proto")
    _message(file, "HealthCheckRequest", ("service", 1, _STRING))
    response = _message(file, "HealthCheckResponse")
    statuses = response.enum_type.add(name="ServingStatus")
    for number, name in enumerate(
        ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
    ):
        statuses.value.add(name=name, number=number)
    status = _field(response, "status", 1, _ENUM)
    status.type_name = ".grpc.health.v1.HealthCheckResponse.ServingStatus"
    _message(file, "HealthListRequest")
    _statuses_map(_message(file, "HealthListResponse"))
    service = file.service.add(name="Health")
    for name, kind in (("Check", "Check"), ("Watch", "Check"), ("List", "List")):
        service.method.add(
            name=name,
            input_type=f".grpc.health.v1.Health{kind}Request",
            output_type=f".grpc.health.v1.Health{kind}Response",
            server_streaming=name == "Watch",
        )
    return file


def _statuses_map(message: DescriptorProto) -> None:
    entry = message.nested_type.add(name="StatusesEntry")
    entry.options.map_entry = True
    _field(entry, "key", 1, _STRING)
    _field(entry, "value", 2, "grpc.health.v1.HealthCheckResponse")
    statuses = "grpc.health.v1.HealthListResponse.StatusesEntry"
    _repeated(message, "statuses", 1, statuses)


def reflection_file(package: str, name: str) -> FileDescriptorProto:
    """The reflection protocol; v1 and v1alpha differ in their names alone."""
    file = _file(package, name)
    request = _message(file, "ServerReflectionRequest", ("host", 1, _STRING))
    _oneof(
        request,
        "message_request",
        ("file_by_filename", 3, _STRING),
        ("file_containing_symbol", 4, _STRING),
        ("file_containing_extension", 5, f"{package}.ExtensionRequest"),
        ("all_extension_numbers_of_type", 6, _STRING),
        ("list_services", 7, _STRING),
    )
    _message(
        file,
        "ExtensionRequest",
        ("containing_type", 1, _STRING),
        ("extension_number", 2, _INT32),
    )
    _reflection_responses(file, package)
    service = file.service.add(name="ServerReflection")
    service.method.add(
        name="ServerReflectionInfo",
        input_type=f".{package}.ServerReflectionRequest",
        output_type=f".{package}.ServerReflectionResponse",
        client_streaming=True,
        server_streaming=True,
    )
    return file


def _reflection_responses(file: FileDescriptorProto, package: str) -> None:
    response = _message(
        file,
        "ServerReflectionResponse",
        ("valid_host", 1, _STRING),
        ("original_request", 2, f"{package}.ServerReflectionRequest"),
    )
    _oneof(
        response,
        "message_response",
        ("file_descriptor_response", 4, f"{package}.FileDescriptorResponse"),
        ("all_extension_numbers_response", 5, f"{package}.ExtensionNumberResponse"),
        ("list_services_response", 6, f"{package}.ListServiceResponse"),
        ("error_response", 7, f"{package}.ErrorResponse"),
    )
    files = _message(file, "FileDescriptorResponse")
    _repeated(files, "file_descriptor_proto", 1, _BYTES)
    numbers = _message(file, "ExtensionNumberResponse", ("base_type_name", 1, _STRING))
    _repeated(numbers, "extension_number", 2, _INT32)
    services = _message(file, "ListServiceResponse")
    _repeated(services, "service", 1, f"{package}.ServiceResponse")
    _message(file, "ServiceResponse", ("name", 1, _STRING))
    _message(
        file, "ErrorResponse", ("error_code", 1, _INT32), ("error_message", 2, _STRING)
    )


def _file(package: str, name: str) -> FileDescriptorProto:
    return FileDescriptorProto(name=name, package=package, syntax="proto3")


def _message(
    file: FileDescriptorProto, name: str, *fields: tuple[str, int, _Kind]
) -> DescriptorProto:
    message = file.message_type.add(name=name)
    for field in fields:
        _field(message, *field)
    return message


def _oneof(
    message: DescriptorProto, name: str, *fields: tuple[str, int, _Kind]
) -> None:
    message.oneof_decl.add(name=name)
    for field in fields:
        _field(message, *field).oneof_index = len(message.oneof_decl) - 1


def _repeated(message: DescriptorProto, name: str, number: int, kind: _Kind) -> None:
    _field(message, name, number, kind).label = FieldDescriptorProto.LABEL_REPEATED


def _field(
    message: DescriptorProto, name: str, number: int, kind: _Kind
) -> FieldDescriptorProto:
    field = message.field.add(name=name, number=number)
    field.label = FieldDescriptorProto.LABEL_OPTIONAL
    if isinstance(kind, str):
        field.type = _MESSAGE
        field.type_name = f".{kind}"
    else:
        field.type = kind
    return field


FILES = (
    health_file(),
    reflection_file("grpc.reflection.v1", "grpc/reflection/v1/reflection.proto"),
    reflection_file(
        "grpc.reflection.v1alpha", "grpc/reflection/v1alpha/reflection.proto"
    ),
)

_POOL = descriptor_pool.DescriptorPool()
for _one in FILES:
    _POOL.AddSerializedFile(_one.SerializeToString())


def _class(name: str) -> Dynamic:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


HealthCheckRequest = _class("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = _class("grpc.health.v1.HealthCheckResponse")
HealthListRequest = _class("grpc.health.v1.HealthListRequest")
HealthListResponse = _class("grpc.health.v1.HealthListResponse")
# The same bytes in both versions, so one class serves both.
ReflectionRequest = _class("grpc.reflection.v1.ServerReflectionRequest")
ReflectionResponse = _class("grpc.reflection.v1.ServerReflectionResponse")
