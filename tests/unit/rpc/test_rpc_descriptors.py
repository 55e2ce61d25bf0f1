from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from postroom_server.rpc.descriptors import DescriptorIndex, served_files


@pytest.fixture(scope="module")
def index():
    return DescriptorIndex(served_files())


def files(found):
    return [FileDescriptorProto.FromString(octets) for octets in found]


def test_a_file_comes_with_all_that_it_imports_once(index):
    names = [one.name for one in files(index.by_filename("postroom/v1/send.proto"))]

    assert names[0] == "postroom/v1/send.proto"
    assert "google/protobuf/timestamp.proto" in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("postroom.v1.DeliveryService", "postroom/v1/delivery_service.proto"),
        ("postroom.v1.DeliveryService.GetStats", "postroom/v1/delivery_service.proto"),
        ("postroom.v1.SendMessageRequest", "postroom/v1/send.proto"),
        ("postroom.v1.SendMessageRequest.relay", "postroom/v1/send.proto"),
        ("postroom.v1.SendMessageRequest.content", "postroom/v1/send.proto"),
        ("postroom.v1.Completion", "postroom/v1/send.proto"),
        ("postroom.v1.COMPLETION_RELAYED", "postroom/v1/send.proto"),
        ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
        (
            "grpc.health.v1.HealthCheckResponse.ServingStatus",
            "grpc/health/v1/health.proto",
        ),
        (
            "grpc.reflection.v1alpha.ErrorResponse",
            "grpc/reflection/v1alpha/reflection.proto",
        ),
    ],
)
def test_a_symbol_of_any_kind_finds_its_file(index, symbol, file):
    assert files(index.by_symbol(symbol))[0].name == file


@pytest.mark.parametrize("symbol", ["", "postroom.v1", "postroom.v1.send", "Message"])
def test_what_is_no_full_name_is_not_found(index, symbol):
    assert index.by_symbol(symbol) is None


def test_every_field_has_its_json_name(index):
    def fields(messages):
        for message in messages:
            yield from message.field
            yield from fields(message.nested_type)

    names = {
        field.name: field.json_name
        for one in served_files()
        for served in files(index.by_filename(one.name))
        for field in fields(served.message_type)
    }

    assert all(names.values())
    assert names["max_request_bytes"] == "maxRequestBytes"
    assert names["file_containing_symbol"] == "fileContainingSymbol"
