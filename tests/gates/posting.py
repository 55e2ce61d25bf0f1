"""Texts put into each field of a mail, and what became of each call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import grpc
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub

from tests.support.service import violations

Fields = dict[str, Callable[[str], dict[str, object]]]


def mailbox(address: str = "ada@example.com", name: str = "") -> message_pb.Mailbox:
    return message_pb.Mailbox(address=address, name=name)


def attachment(**fields: str) -> message_pb.Attachment:
    plain_one = {"filename": "a.bin", "content_type": "application/x-a"}
    content = {} if "data_base64" in fields else {"data": b"a"}
    return message_pb.Attachment(**{**plain_one, **content, **fields})


FIELDS: Fields = {
    "from_mailbox.address": lambda t: {"from_mailbox": mailbox(t)},
    "from_mailbox.name": lambda t: {"from_mailbox": mailbox("me@example.com", t)},
    "sender.address": lambda t: {"sender": mailbox(t)},
    "sender.name": lambda t: {"sender": mailbox(name=t)},
    "reply_to.address": lambda t: {"reply_to": [mailbox(t)]},
    "reply_to.name": lambda t: {"reply_to": [mailbox(name=t)]},
    "to.address": lambda t: {"to": [mailbox(t)]},
    "to.name": lambda t: {"to": [mailbox(name=t)]},
    "cc.address": lambda t: {"cc": [mailbox(t)]},
    "cc.name": lambda t: {"cc": [mailbox(name=t)]},
    "bcc.address": lambda t: {"bcc": [mailbox(t)]},
    "bcc.name": lambda t: {"bcc": [mailbox(name=t)]},
    "envelope_from": lambda t: {"envelope_from": t},
    "subject": lambda t: {"subject": t},
    "text_body": lambda t: {"text_body": t},
    "html_body": lambda t: {"html_body": t},
    "attachments.filename": lambda t: {"attachments": [attachment(filename=t)]},
    "attachments.content_type": lambda t: {"attachments": [attachment(content_type=t)]},
    "attachments.data_base64": lambda t: {"attachments": [attachment(data_base64=t)]},
    "attachments.content_id": lambda t: {"attachments": [attachment(content_id=t)]},
    "headers.name": lambda t: {"headers": [message_pb.Header(name=t, value="v")]},
    "headers.value": lambda t: {"headers": [message_pb.Header(name="X-A", value=t)]},
    "message_id": lambda t: {"message_id": t},
    "unsubscribe.url": lambda t: {
        "unsubscribe": message_pb.Unsubscribe(url=f"https://example.com/{t}")
    },
    "unsubscribe.mailto": lambda t: {"unsubscribe": message_pb.Unsubscribe(mailto=t)},
}
OPTIONS: Fields = {
    "dsn.envelope_id": lambda t: {"dsn": send_pb.Dsn(envelope_id=t)},
    "tags": lambda t: {"tags": [t]},
    "metadata": lambda t: {"metadata": {t: "v"}},
    "metadata[a]": lambda t: {"metadata": {"a": t}},
}
"""What goes with a mail; as `FIELDS`, of the request."""
SMUGGLED_FIELDS = {
    "text_body": FIELDS["text_body"],
    "html_body": FIELDS["html_body"],
    "attachments.data": lambda t: {
        "attachments": [
            message_pb.Attachment(
                filename="a.txt", content_type="text/plain", data=t.encode()
            )
        ]
    },
    "headers.value": FIELDS["headers.value"],
    "subject": FIELDS["subject"],
    "from_mailbox.name": FIELDS["from_mailbox.name"],
}


@dataclass
class Asked:
    """One call: *guard* is a recipient that no other call has."""

    relay: str
    field: str
    text: str
    guard: str
    recipients: int = 1
    refused: dict[str, str] | None = None
    code: grpc.StatusCode | None = None

    def __str__(self) -> str:
        return f"{self.relay} {self.field} {self.text[:60]!r}"


class Post:
    """Sends through the service to one of two relays, and keeps what was asked."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._stub = DeliveryServiceStub(self._channel)
        self._numbers = count()
        self.asked: list[Asked] = []

    def close(self) -> None:
        self._channel.close()

    def send_all(
        self,
        fields: Fields,
        texts: Iterable[str],
        relays: Iterable[str],
    ) -> None:
        asked = [
            Asked(relay, field, text, f"n{next(self._numbers)}@example.com")
            for relay in relays
            for field in fields
            for text in texts
        ]
        self.asked += asked
        with ThreadPoolExecutor(8) as callers:
            list(callers.map(lambda one: self._send(one, fields), asked))

    def _send(self, asked: Asked, fields: Fields) -> None:
        plain = {
            "from_mailbox": mailbox("me@example.com"),
            "subject": "x",
            "text_body": "x",
        }
        given = fields[asked.field](asked.text)
        options = given if asked.field in OPTIONS else {}
        changes = {} if options else given
        to = [mailbox(asked.guard), *changes.pop("to", [])]
        asked.recipients = len(to) + len(changes.get("cc", changes.get("bcc", [])))
        request = send_pb.SendMessageRequest(
            message=message_pb.Message(**{**plain, "to": to, **changes}),
            relay=f"relays/{asked.relay}",
            **options,
        )
        try:
            self._stub.SendMessage(request, timeout=20)
        except grpc.RpcError as error:
            asked.code, asked.refused = error.code(), violations(error)
