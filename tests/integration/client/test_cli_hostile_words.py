"""Whatever a service, or a relay behind it, says: it moves no terminal's cursor."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from postroom.cli.app import app
from postroom.v1 import delivery_service_pb2
from typer.testing import CliRunner

from tests.support.wire_fields import TIMES, is_map

EVIL = "a\x1b[2J\x9b2Jb"
SERVICE = delivery_service_pb2.DESCRIPTOR.services_by_name["DeliveryService"]


def evil_answer(method):
    """The answer of *method* with hostile words wherever a text may stand."""
    answer = GetMessageClass(SERVICE.methods_by_name[method].output_type)()
    _fill(answer)
    if method == "ListDeliveries":
        answer.next_page_token = ""
    return answer


def _fill(message):
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is not None and message.WhichOneof(oneof.name):
            continue
        value = getattr(message, field.name)
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.is_repeated:
                value.append(EVIL)
            else:
                setattr(message, field.name, EVIL)
        elif field.message_type is None:
            continue
        elif is_map(field):
            value[EVIL] = EVIL
        elif field.message_type.full_name in TIMES:
            value.SetInParent()
        else:
            _fill(value.add() if field.is_repeated else value)


@pytest.mark.parametrize("style", [[], ["--json"]], ids=["plain", "json"])
@pytest.mark.parametrize(
    ("method", "command"),
    [
        (
            "SendMessage",
            ["send", "--to", "a@example.com", "--subject", "s", "--text", "t"],
        ),
        ("GetDelivery", ["get", "x"]),
        ("ListDeliveries", ["list"]),
        ("CancelDelivery", ["cancel", "x"]),
        ("RetryDelivery", ["retry", "x"]),
        ("UploadBlob", ["upload", __file__]),
        ("TestConnection", ["test"]),
        ("GetStats", ["stats"]),
        ("GetServerInfo", ["info"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_words_of_others_reach_the_terminal_as_they_are(
    service, method, command, style
):
    service.script(method, evil_answer(method))
    run = CliRunner().invoke(app, ["--target", service.target, *command, *style])

    assert "[2J" in run.stdout
    assert all(line.isprintable() for line in run.output.split("\n"))
