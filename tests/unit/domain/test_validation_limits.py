"""Validation: every limit, just below, at, and just above."""

from __future__ import annotations

import base64

import pytest
from postroom_server.domain.draft import Header, MailboxDraft
from postroom_server.domain.limits import MB, Limits

from tests.support.mails import draft, file, problems

BOB = MailboxDraft("bob@example.org")
# Shared, so that a hundred of them take no more memory than one.
MAX_FILE = bytes(25 * MB)


def boxes(count: int) -> tuple[MailboxDraft, ...]:
    return (BOB,) * count


LIMITS = [
    (100, lambda n: {"to": boxes(n)}, "message.to"),
    (100, lambda n: {"to": boxes(1), "cc": boxes(1), "bcc": boxes(n - 2)}, "message.to"),
    (10, lambda n: {"reply_to": boxes(n)}, "message.reply_to"),
    (998, lambda n: {"subject": "x" * n}, "message.subject"),
    (998, lambda n: {"subject": "💩" * n}, "message.subject"),
    (255, lambda n: {"to": (MailboxDraft("b@x.org", "é" * n),)}, "message.to[0].name"),
    (76, lambda n: {"headers": (Header("x" * n, "v"),)}, "message.headers[0].name"),
    (4096, lambda n: {"headers": (Header("X", "é" * n),)}, "message.headers[0].value"),
    (100, lambda n: {"headers": (Header("X", "v"),) * n}, "message.headers"),
    (250, lambda n: {"message_id": f"<{'x' * (n - 4)}@y>"}, "message.message_id"),
    (100 * MB, lambda n: {"text": "x" * n}, "message.text_body"),
    (100 * MB, lambda n: {"html": "é" * (n // 2) + "x" * (n % 2)}, "message.html_body"),
    (100, lambda n: {"attachments": (file(),) * n}, "message.attachments"),
    (255, lambda n: {"attachments": (file(filename="x" * n),)}, "message.attachments[0].filename"),
    (255, lambda n: {"attachments": (file(filename="é" * (n // 2) + "x" * (n % 2)),)}, "message.attachments[0].filename"),
    (255, lambda n: {"attachments": (file(content_id="x" * n),)}, "message.attachments[0].content_id"),
    (127, lambda n: {"attachments": (file(content_type="a/" + "b" * n),)}, "message.attachments[0].content_type"),
    (25 * MB, lambda n: {"attachments": (file(data=bytes(n)),)}, "message.attachments[0].data"),
    (100 * MB, lambda n: {"attachments": (*(file(data=MAX_FILE),) * 3, file(data=MAX_FILE[1:]), file(data=bytes(n - 100 * MB + 1)))}, "message.attachments"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "changes", "field"), LIMITS, ids=[f"{f}-{n}" for n, _, f in LIMITS]
)
def test_a_limit_is_the_last_allowed(limit, changes, field):
    below = (
        {}
        if limit == 100 * MB and field == "message.attachments"
        else changes(limit - 1)
    )

    assert problems(draft(**below)) == {}
    assert problems(draft(**changes(limit))) == {}
    assert list(problems(draft(**changes(limit + 1)))) == [field]


@pytest.mark.parametrize("size", [25 * MB - 1, 25 * MB, 25 * MB + 1, 25 * MB + 2])
def test_base64_counts_decoded(size):
    encoded = file(data=None, data_base64=base64.b64encode(bytes(size)).decode())
    found = problems(draft(attachments=(encoded,)))

    assert (found == {}) == (size <= 25 * MB)


def test_oversized_base64_is_refused_before_it_is_decoded():
    nonsense = file(data=None, data_base64="!" * (34 * MB))

    assert (
        "Larger than 25 MB"
        in problems(draft(attachments=(nonsense,)))[
            "message.attachments[0].data_base64"
        ]
    )


@pytest.mark.parametrize(
    ("limits", "changes", "field"),
    [
        (Limits(max_recipients=1), {"cc": (BOB,)}, "message.to"),
        (Limits(max_reply_to=0), {"reply_to": (BOB,)}, "message.reply_to"),
        (Limits(max_subject_length=4), {}, "message.subject"),
        (Limits(max_body_bytes=5), {}, "message.text_body"),
        (Limits(max_headers=0), {"headers": (Header("X", ""),)}, "message.headers"),
        (Limits(max_attachments=0), {"attachments": (file(),)}, "message.attachments"),
        (Limits(max_attachment_bytes=2), {"attachments": (file(),)}, "message.attachments[0].data"),
        (Limits(max_attachments_bytes=5), {"attachments": (file(),) * 2}, "message.attachments"),
    ],
)  # fmt: skip
def test_configured_limits_hold(limits, changes, field):
    assert list(problems(draft(**changes), limits)) == [field]


def test_a_body_of_many_octets_and_few_characters_is_too_large():
    limits = Limits(max_body_bytes=3 * MB)

    assert problems(draft(text="€" * MB), limits) == {}
    assert list(problems(draft(text="€" * (MB + 1)), limits)) == ["message.text_body"]
