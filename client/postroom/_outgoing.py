"""A mail on its way to the service: the request, and the contents that follow it.

`InvalidRequest` is raised for all problems at once, before any call is made;
`TypeError` for an argument that there is not, and `OSError` for a file that can't be
read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from postroom._calls import DeliveryLike, delivery_name, send_options
from postroom._contents import MAX_WITHIN, Contents, Part
from postroom._message import set_message, set_raw
from postroom._names import check_names
from postroom._problems import Problems
from postroom.arguments import MailArguments, SendArguments
from postroom.errors import InvalidRequest, Violation
from postroom.messages import RawMessage
from postroom.v1 import content_pb2, send_pb2, send_stream_pb2

Answer = send_pb2.SendMessageResponse | send_stream_pb2.SendMessageStreamResponse
_PART = re.compile(r"parts/\d+")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """*request* and its contents, which leaving the ``with`` block gives up."""

    request: send_pb2.SendMessageRequest
    contents: Contents

    @property
    def parts(self) -> tuple[Part, ...]:
        """What does not fit in the request; empty for most mails."""
        return self.contents.parts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.contents.close()


def to_send(raw: RawMessage | None, given: SendArguments, now: datetime) -> Outgoing:
    """The mail that *raw* is, or else *given* describes; its options are *given*."""
    check_names(given, SendArguments)
    problems = Problems()
    with ExitStack() as unfinished:
        contents = unfinished.enter_context(Contents())
        request = send_pb2.SendMessageRequest()
        if raw is None:
            set_message(request.message, given, contents, problems)
        else:
            _check_options_alone(given)
            set_raw(request.raw_message, raw, contents)
        contents.settle(problems)
        request.MergeFrom(send_options(given, problems, now))
        problems.raise_any()
        unfinished.pop_all()
        return Outgoing(request, contents)


def to_validate(
    raw: RawMessage | None, given: SendArguments, now: datetime
) -> Outgoing:
    """The same, to be checked; it has no request id, since it changes nothing."""
    found = to_send(raw, given, now)
    found.request.validate_only = True
    found.request.ClearField("request_id")
    return found


def of_delivery(
    delivery: DeliveryLike, given: SendArguments
) -> content_pb2.RenderMessageRequest:
    """Asks for the bytes of a stored mail, of which *given* tells no parts."""
    _check_options_alone(given)
    return content_pb2.RenderMessageRequest(delivery=delivery_name(delivery))


def of_mail(mail: Outgoing) -> content_pb2.RenderMessageRequest:
    """Asks for the bytes of *mail*, all of whose parts are uploaded by now."""
    return content_pb2.RenderMessageRequest(request=mail.request)


@contextmanager
def naming(parts: tuple[Part, ...]) -> Iterator[None]:
    """Have errors name contents by their fields, since callers know no parts."""
    fields = {part.name: part.place.field for part in parts}

    def named(text: str) -> str:
        return _PART.sub(lambda found: fields.get(found[0], found[0]), text)

    try:
        yield
    except InvalidRequest as error:
        violations = tuple(
            Violation(named(wrong.field), named(wrong.description))
            for wrong in error.violations
        )
        details = replace(error.details, violations=violations)
        raise InvalidRequest(named(error.message), details) from error.__cause__


def may_take_long(given: SendArguments) -> bool:
    """Whether composing what is *given* is nothing to wait for in an event loop."""
    bodies = given.get("text", ""), given.get("html", "")
    return "attachments" in given or not all(map(_is_quick, bodies))


def _is_quick(body: object) -> bool:
    return isinstance(body, str) and len(body) <= MAX_WITHIN


def _check_options_alone(given: SendArguments) -> None:
    for name in sorted(given.keys() & MailArguments.__annotations__.keys()):
        raise TypeError(f"a whole mail takes no {name!r}")
