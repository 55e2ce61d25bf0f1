"""Whatever mail is let through, the standard library reads its header as we do."""

from __future__ import annotations

import email
import email.policy
from email.utils import getaddresses

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from postroom_server.domain.errors import InvalidMessage
from postroom_server.domain.limits import Limits
from postroom_server.domain.validation_raw import check_raw

from tests.support.mails import composed, decoded, drafts
from tests.support.raw_mails import BODY, FIELDS, raw_draft, raw_problems

PIECES = st.sampled_from(
    [
        *[b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"<", b">", b"@"],
        *[b"(", b")", b'"', b"\\", b"\0", b"\x0b", b"\x0c", b"\x1c", b"\x85"],
        *[b"\xc2\x85", b"\xe2\x80\xa8", b"\xff", b"=?utf-8?q?=40?=", b"=0A", b"x"],
        *[
            b"From: eve@example.net\r\n",
            b"from:eve@example.net\r\n ",
            b"From",
            b"Bcc: x",
        ],
        *[b"Sender: dan@example.net\r\n", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b" \r\n"],
        *[b"<eve@example.net>", b"eve@example.net, ", b"eve@example.net (", b"Eve:"],
        *[b"=?utf-8?b?ZXZlQGV4YW1wbGUubmV0?=", b"Content-Type: message/rfc822\r\n"],
    ]
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 3), PIECES), max_size=4
)
PLAIN = b"".join(f.encode() + b"\r\n" for f in FIELDS) + b"\r\n" + BODY


def changed(changes: list[tuple[int, int, bytes]]) -> bytes:
    data = PLAIN
    for place, gone, piece in changes:
        data = data[:place] + piece + data[place + gone :]
    return data


@settings(max_examples=1500)
@given(CHANGES)
def test_who_sends_a_mail_is_who_others_think_sends_it(changes):
    data = changed(changes)
    try:
        message = check_raw(raw_draft(data), {}, Limits()).message
    except InvalidMessage:
        return
    judge = email.message_from_bytes(data)
    named = [judge.get_all(name, []) for name in ("from", "sender")]
    texts = [str(value).replace("\r\n", "") for values in named for value in values]

    assert not judge.defects
    assert list(map(len, named)) in ([1, 0], [1, 1])
    assert [a.given for a in message.authors] == [
        address.encode("utf-8", "surrogateescape").decode()
        for _, address in getaddresses(texts)
    ]
    # Some decode before they parse: no further address may turn up.
    decoded_first = getaddresses([decoded(text) for text in texts])
    assert sum("@" in a for _, a in decoded_first) == len(message.authors)
    assert judge.get_all("bcc") is None
    assert judge["message-id"].strip() == message.message_id


@settings(max_examples=500)
@given(CHANGES)
def test_the_newer_reader_of_the_library_agrees(changes):
    data = changed(changes)
    try:
        message = check_raw(raw_draft(data), {}, Limits()).message
    except InvalidMessage:
        return
    judge = email.message_from_bytes(data, policy=email.policy.default)
    found = [*judge["from"].addresses]
    if judge["sender"] is not None:
        found += judge["sender"].addresses

    assert [(a.local.strip('"'), a.domain) for a in message.authors] == [
        (a.username, a.domain.lower()) for a in found
    ]


def is_plain(name: str) -> bool:
    return not any(sign in name for sign in "@<>=")


@given(drafts())
def test_what_we_compose_ourselves_may_be_sent_as_it_is(draft):
    named = [draft.from_mailbox, draft.sender]
    assume(all(is_plain(box.name) for box in named if box))

    assert raw_problems(raw_draft(bytes(composed(draft)))) == []
