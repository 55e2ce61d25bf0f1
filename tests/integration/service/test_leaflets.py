"""A large file that goes to many, each time in a call of its own."""

from __future__ import annotations

import email
import email.policy
import os

from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import message_pb2 as message_pb
from postroom_server.domain.familiar import FEWEST
from postroom_server.mail import bodies

LEAFLET, OTHER = os.urandom(FEWEST + 5), os.urandom(FEWEST + 5)


def attached(*data: bytes) -> dict[str, list[message_pb.Attachment]]:
    files = [
        message_pb.Attachment(
            filename="a.bin", content_type="application/octet-stream", data=d
        )
        for d in data
    ]
    return {"attachments": files}


def files_in(received) -> list[bytes]:
    mail = email.message_from_bytes(received.data, policy=email.policy.default)
    return [part.get_content() for part in mail.iter_attachments()]


def test_each_gets_the_files_that_were_meant_for_it(service):
    sent = [
        (LEAFLET,),
        (LEAFLET,),
        (OTHER, LEAFLET),
        (LEAFLET[:-1] + b"x",),
        (LEAFLET, LEAFLET),
        (OTHER,),
    ]

    for files in sent:
        result = service.send(message=attached(*files))
        assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS

    assert [tuple(files_in(m)) for m in service.relay.messages] == sent


def test_it_is_encoded_for_the_first_two_alone(service, monkeypatch):
    encoded = []
    real = bodies.base64_lines
    monkeypatch.setattr(
        bodies, "base64_lines", lambda data: encoded.append(len(data)) or real(data)
    )

    for _ in range(5):
        service.send(message=attached(LEAFLET))

    assert encoded == [len(LEAFLET)] * 2
    assert [files_in(m) for m in service.relay.messages] == [[LEAFLET]] * 5
