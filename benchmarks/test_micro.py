"""What the steps of a mail cost by themselves, for comparing two states of the code.

make micro
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from postroom.v1 import message_pb2, send_pb2
from postroom_server.domain.attempt import Phase
from postroom_server.domain.clock import SystemClock
from postroom_server.domain.limits import Limits
from postroom_server.domain.principal import Principal
from postroom_server.domain.reply import Reply
from postroom_server.domain.validation import SenderDefaults, check_message
from postroom_server.mail.composer import compose
from postroom_server.mail.identity import new_identity
from postroom_server.rpc.convert.requests import submission
from postroom_server.smtp.dots import stuffed
from postroom_server.smtp.guard import check_content
from postroom_server.smtp.protocol import ReplyReader

from benchmarks.compose import draft, theirs

Benchmark = Callable[..., object]
FILES = {"10 KB": None, "1 MB": random.Random(2).randbytes(1 << 20)}
sizes = pytest.mark.parametrize("file", FILES.values(), ids=FILES.keys())
REPLIES = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok: queued as 4ZbX1y2VqTz\r\n"
EHLO = (
    b"".join(b"250-KEYWORD%d with words\r\n" % n for n in range(12)) + b"250 LAST\r\n"
)


def composed(file: bytes | None) -> bytes:
    message = check_message(draft(file), SenderDefaults(), Limits()).message
    return bytes(compose(message, new_identity(message, SystemClock().now())))


@sizes
def test_composing(benchmark: Benchmark, file: bytes | None) -> None:
    message = check_message(draft(file), SenderDefaults(), Limits()).message
    identity = new_identity(message, SystemClock().now())
    benchmark(compose, message, identity)


@sizes
def test_composing_by_email_message(benchmark: Benchmark, file: bytes | None) -> None:
    run = theirs(draft(file))
    benchmark(run)


@sizes
def test_checking_a_draft(benchmark: Benchmark, file: bytes | None) -> None:
    benchmark(check_message, draft(file), SenderDefaults(), Limits())


@sizes
def test_looking_at_content(benchmark: Benchmark, file: bytes | None) -> None:
    mail = composed(file)
    benchmark(check_content, [mail], len(mail))


@sizes
def test_stuffing_dots(benchmark: Benchmark, file: bytes | None) -> None:
    mail = composed(file)
    benchmark(lambda: list(stuffed([mail])))


@pytest.mark.parametrize("octets", [REPLIES, EHLO], ids=["three replies", "EHLO"])
def test_parsing_replies(benchmark: Benchmark, octets: bytes) -> None:
    def run() -> None:
        reader = ReplyReader()
        reader.feed(octets)
        while reader.next_reply() is not None:
            pass

    benchmark(run)


def test_reading_a_reply(benchmark: Benchmark) -> None:
    benchmark(Reply.of, 250, (b"2.0.0 Ok: queued as 4ZbX1y2VqTz",), Phase.END_OF_DATA)


@sizes
def test_converting_a_request(benchmark: Benchmark, file: bytes | None) -> None:
    asked = draft(file)
    message = message_pb2.Message(
        from_mailbox=message_pb2.Mailbox(address="sender@example.com"),
        to=[message_pb2.Mailbox(address="rcpt@example.net")],
        subject=asked.subject,
        text_body=asked.text,
        html_body=asked.html,
    )
    if file is not None:
        message.attachments.add(filename="x.pdf", data=file)
    request = send_pb2.SendMessageRequest(message=message)
    benchmark(submission, request, Principal(), "")
