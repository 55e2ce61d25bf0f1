"""grpc.reflection as tools use it: both versions, with comments and JSON names."""

from __future__ import annotations

import json
import queue
import subprocess

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from postroom_server.rpc import wire
from postroom_server.rpc.pools import PoolKind, PoolPlan

from tests.support.tools import require_tool

SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "postroom.v1.DeliveryService",
    "postroom.v1.RelayService",
]


class Conversation:
    """One reflection stream."""

    def __init__(self, channel, service):
        self._questions = queue.SimpleQueue()
        self.answers = channel.stream_stream(
            f"/{service}/ServerReflectionInfo",
            wire.ReflectionRequest.SerializeToString,
            wire.ReflectionResponse.FromString,
        )(iter(self._questions.get, None), timeout=30)

    def ask(self, **question):
        self._questions.put(wire.ReflectionRequest(**question))
        return next(self.answers)

    def close(self):
        self._questions.put(None)
        return list(self.answers)


@pytest.fixture(params=[wire.REFLECTION, wire.REFLECTION_ALPHA])
def conversation(serve, request):
    return Conversation(serve().channel(), request.param)


def test_all_services_are_listed(conversation):
    answer = conversation.ask(list_services="")
    rest = conversation.close()

    assert [one.name for one in answer.list_services_response.service] == SERVICES
    assert rest == []


def test_a_symbol_is_described_with_all_that_it_needs(conversation):
    answer = conversation.ask(file_containing_symbol="postroom.v1.DeliveryService")
    files = [
        FileDescriptorProto.FromString(octets)
        for octets in answer.file_descriptor_response.file_descriptor_proto
    ]
    conversation.close()
    names = {file.name for file in files}

    assert files[0].name == "postroom/v1/delivery_service.proto"
    assert {name for file in files for name in file.dependency} <= names
    assert any(place.leading_comments for place in files[0].source_code_info.location)


def test_what_is_unknown_is_an_answer_and_not_the_end(conversation):
    answers = [
        conversation.ask(file_containing_symbol="no.Such"),
        conversation.ask(file_by_filename="no_such.proto"),
        conversation.ask(all_extension_numbers_of_type="no.Such"),
        conversation.ask(file_containing_extension={"containing_type": "no.Such"}),
    ]
    conversation.close()

    assert {answer.error_response.error_code for answer in answers} == {5}


def test_a_stream_that_is_idle_is_ended(serve):
    conversation = Conversation(serve(reflection_idle=1.5).channel(), wire.REFLECTION)
    conversation.ask(list_services="")
    with pytest.raises(grpc.RpcError) as caught:
        next(conversation.answers)

    assert caught.value.code() is grpc.StatusCode.CANCELLED


def test_a_stream_that_is_idle_makes_room_for_one_that_waits(serve):
    running = serve(plans={PoolKind.REFLECTION: PoolPlan(1, 4, patience=0.3)})
    idle = Conversation(running.channel(), wire.REFLECTION)
    idle.ask(list_services="")
    other = Conversation(running.channel(), wire.REFLECTION)

    assert other.ask(list_services="").HasField("list_services_response")
    other.close()
    with pytest.raises(grpc.RpcError):
        next(idle.answers)


def test_reflection_can_be_switched_off(serve):
    conversation = Conversation(serve(reflection=False).channel(), wire.REFLECTION)
    with pytest.raises(grpc.RpcError) as caught:
        conversation.ask(list_services="")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture
def grpcurl(serve):
    program = require_tool("grpcurl")
    running = serve()

    def run(*arguments, options=()):
        command = [program, "-plaintext", *options, running.server.address, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.interop
def test_grpcurl_lists_the_services(grpcurl):
    assert grpcurl("list").split() == SERVICES


@pytest.mark.interop
def test_grpcurl_describes_with_comments(grpcurl):
    described = grpcurl("describe", "postroom.v1.SendMessageRequest")

    assert "// Makes the call idempotent" in described
    assert "string request_id = 4;" in described


@pytest.mark.interop
def test_grpcurl_calls_while_it_keeps_its_reflection_stream(grpcurl):
    answer = grpcurl(
        "postroom.v1.DeliveryService/GetStats",
        options=("-emit-defaults", "-d", '{"includeRelays": true}'),
    )

    assert "latencyBoundsSeconds" in json.loads(answer)


@pytest.mark.interop
def test_grpcurl_knows_health(grpcurl):
    answer = grpcurl("grpc.health.v1.Health/List")

    assert json.loads(answer)["statuses"][""] == {"status": "SERVING"}
