"""Answers of a service, ready to be scripted."""

from __future__ import annotations

from typing import Any

from postroom.v1 import attempt_pb2, delivery_pb2, delivery_requests_pb2, send_pb2

NAME = "deliveries/0198"


def result(status: str = "SUCCESS", **fields: Any) -> delivery_pb2.DeliveryResult:
    number = delivery_pb2.DeliveryStatus.Value(f"DELIVERY_STATUS_{status}")
    return delivery_pb2.DeliveryResult(
        delivery=NAME,
        status=number,
        is_final=status not in {"QUEUED", "SENDING", "RETRY"},
        message_id="<1@example.com>",
        **fields,
    )


def sent(status: str = "SUCCESS", **fields: Any) -> send_pb2.SendMessageResponse:
    return send_pb2.SendMessageResponse(result=result(status, **fields))


def delivery(name: str = NAME, **fields: Any) -> delivery_requests_pb2.Delivery:
    return delivery_requests_pb2.Delivery(name=name, result=result(), **fields)


def refused(address: str, text: str = "no such user") -> delivery_pb2.RecipientResult:
    return delivery_pb2.RecipientResult(
        address=address,
        status=delivery_pb2.RECIPIENT_STATUS_REFUSED,
        reason=attempt_pb2.FAILURE_REASON_ADDRESS_UNKNOWN,
        reply=attempt_pb2.SmtpReply(code=550, enhanced_code="5.1.1", text=text),
    )


def taken(address: str) -> delivery_pb2.RecipientResult:
    return delivery_pb2.RecipientResult(
        address=address, status=delivery_pb2.RECIPIENT_STATUS_DELIVERED
    )
