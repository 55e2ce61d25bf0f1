"""Raw mail: what may be sent as it is, and what is wrong with the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.limits import Limits
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.validation_raw import check_raw

from tests.support.raw_mails import (
    BODY,
    FIELDS,
    mime,
    raw_draft,
    raw_message,
    raw_problems,
)

SMALL = Limits(max_message_bytes=2000, max_header_block_bytes=1000)
NAME = "blobs/" + "0" * 64


def stored(data: bytes):
    """*data* as a stored mail: its draft, and what its name stands for."""
    return raw_draft(data=None, blob=NAME), {NAME: StoredOctets.of(data)}


def test_a_mail_is_passed_on_as_it_is():
    message = raw_message()

    assert message.mime == mime()
    assert message.subject == "Hello"
    assert message.message_id == "<1@example.com>"
    assert [a.wire for a in message.authors] == ["ann@example.com"]
    assert message.header_size == len(mime()) - len(BODY) - 2
    assert (message.is_8bit, message.needs_smtputf8) == (False, False)


def test_a_stored_mail_is_read_like_one_at_hand():
    draft, contents = stored(mime())
    message = check_raw(draft, contents, Limits()).message

    assert message.mime == contents[NAME]
    assert message.size == len(mime())
    assert message.message_id == raw_message().message_id


def test_a_body_beyond_ascii_needs_8bitmime():
    message = raw_message(mime(body="é\r\n".encode()))

    assert (message.is_8bit, message.needs_smtputf8) == (True, False)


def test_a_header_beyond_ascii_needs_smtputf8():
    message = raw_message(mime("X-Note: é"))

    assert (message.is_8bit, message.needs_smtputf8) == (False, True)


def test_the_null_reverse_path_is_an_envelope_sender():
    assert check_raw(raw_draft(envelope_from="<>"), {}, Limits()).envelope_from is None


def test_recipients_collapse_and_are_not_read_from_the_header():
    message = raw_message(recipients=("eve@example.com", "eve@EXAMPLE.com"))

    assert [a.wire for a in message.recipients()] == ["eve@example.com"]


def test_author_and_sender_are_both_named():
    message = raw_message(mime("Sender: dan@example.net"))

    assert [a.wire for a in message.authors] == ["ann@example.com", "dan@example.net"]


def test_who_sent_it_again_is_named_each_time():
    again = (
        "Resent-From: eve@example.org\r\nResent-Sender: fay@example.org\r\n"
        "Resent-From: Gus <gus@example.org>"
    )
    message = raw_message(mime(again))

    assert [a.wire for a in message.authors] == [
        "ann@example.com",
        "eve@example.org",
        "gus@example.org",
        "fay@example.org",
    ]


def test_several_authors_are_all_named():
    message = raw_message(
        mime(
            "From: ann@example.com, bob@example.org",
            "Sender: a@b.example",
            without="From",
        )
    )

    assert [a.wire for a in message.authors] == [
        "ann@example.com",
        "bob@example.org",
        "a@b.example",
    ]


ALLOWED = {
    "no body": mime(body=b""),
    "a header alone": mime(body=b"")[:-2],
    "no To": mime(without="To"),
    "no Subject": mime(without="Subject"),
    "folded": mime("From: Ann\r\n <ann@example.com>", without="From"),
    "names in capitals": mime().replace(b"From:", b"FROM:"),
    "Received": mime("Received: from a by b; Fri, 21 Nov 1997 09:55:06 -0600"),
    "dots": mime(body=b".\r\n..\r\n.x\r\n"),
    "an empty body line": mime(body=b"\r\n"),
    "8-bit": mime(body=b"\xff\xfe\r\n"),
    "a line of 998 octets": mime(body=b"x" * 998 + b"\r\n"),
    "a header line of 998 octets": mime("X: " + "x" * 995),
    "Bcc in the body": mime(body=b"Bcc: eve@example.com\r\n"),
    "two addresses in To": mime("To: a@b.example, c@d.example", without="To"),
    "a group in To": mime("To: undisclosed-recipients:;", without="To"),
}


@pytest.mark.parametrize("data", ALLOWED.values(), ids=ALLOWED)
def test_what_is_in_order_is_allowed(data):
    assert raw_problems(raw_draft(data)) == []
    assert raw_message(data).mime == data


REFUSED = {
    "no From": (mime(without="From"), "From header is required"),
    "an empty From": (mime("From:", without="From"), "From header is required"),
    "two From": (mime("From: eve@example.com"), "From may be there once"),
    "two From in other letters": (mime("fROM: eve@example.com"), "From may be there"),
    "two equal From": (mime(FIELDS[0]), "From may be there once"),
    "no Date": (mime(without="Date"), "Date header is required"),
    "two Date": (mime(FIELDS[3]), "Date may be there once"),
    "no Message-ID": (mime(without="Message-ID"), "Message-ID header is required"),
    "two Message-ID": (mime("message-id: <2@example.com>"), "Message-Id may be|Message-ID may be"),
    "a bad Message-ID": (mime("Message-ID: 1@x", without="Message-ID"), "not of the form"),
    "two Subject": (mime("Subject: x"), "Subject may be there once"),
    "two To": (mime("To: eve@example.com"), "To may be there once"),
    "two Content-Type": (mime(*["Content-Type: text/plain"] * 2), "Content-Type may be"),
    "two Sender": (mime(*["Sender: a@b.example"] * 2), "Sender may be there once"),
    "a Sender of two": (mime("Sender: a@b.example, c@d.example"), "more than one address"),
    "authors without Sender": (mime("From: a@b.example, c@d.example", without="From"), "Sender header is required"),
    "a group in From": (mime("From: G: a@b.example;", without="From"), "no list of mailboxes"),
    "a comment in From": (mime("From: a@b.example (A)", without="From"), "no list of mailboxes"),
    "a route in Sender": (mime("Sender: <@x.example:a@b.example>"), "Its Sender header is no list"),
    "Bcc": (mime("Bcc: eve@example.com"), "Bcc header would tell"),
    "bcc": (mime("bcc: eve@example.com"), "Bcc header would tell"),
    "an empty Bcc": (mime("BCC:"), "Bcc header would tell"),
    "Resent-Bcc": (mime("Resent-bcc: eve@example.com"), "Resent-Bcc header would tell"),
    "NUL in the body": (mime(body=b"a\0b\r\n"), "NUL"),
    "NUL in the header": (mime(b"X: \0"), "NUL"),
    "bare LF": (mime(body=b"a\nb\r\n"), "must end in CRLF"),
    "bare CR": (mime(body=b"a\rb\r\n"), "must end in CRLF"),
    "bare LF in the header": (mime("X: a\nBcc: b"), "must end in CRLF"),
    "LF line ends": (mime().replace(b"\r\n", b"\n"), "must end in CRLF"),
    "CRCRLF": (mime(body=b"a\r\r\n"), "must end in CRLF"),
    "a smuggled end": (mime(body=b"a\n.\r\nMAIL FROM:<x>\r\n"), "must end in CRLF"),
    "a last line without end": (mime(body=b"a"), "must end in CRLF"),
    "a long line": (mime(body=b"x" * 999 + b"\r\n"), "longer than 998"),
    "a long header line": (mime("X: " + "x" * 996), "longer than 998"),
    "Latin-1 in the header": (mime(b"X: \xe9"), "neither ASCII nor UTF-8"),
    "a space before the colon": (mime("From : eve@example.com"), 'no "Name: value"'),
    "a line of white space": (mime("X: a\r\n "), "white space alone"),
    "a body alone": (b"\r\nHello.\r\n", "From header is required"),
    "text": (b"Hello.\r\n", 'no "Name: value"'),
    "an mbox line": (b"From ann@example.com Fri Nov 21 1997\r\n" + mime(), 'no "Name'),
    "CRLF alone": (b"\r\n", "From header is required"),
    "nothing": (b"", "At least 1 byte"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "problem"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("is_stored", [False, True], ids=["at hand", "stored"])
def test_what_is_not_in_order_is_refused(data, problem, is_stored):
    draft, contents = stored(data) if is_stored else (raw_draft(data), {})
    found = raw_problems(draft, contents)
    field = "raw_message.blob" if is_stored else "raw_message.data"

    assert {name for name, _ in found} == {field}
    assert any(part in text for _, text in found for part in problem.split("|"))


def test_every_problem_is_told_at_once():
    data = mime("Bcc: x", "To: b@c.example", without="Date", body=b"\0\n" + b"x" * 1000)
    draft = raw_draft(data, envelope_from="", recipients=("bob", "bob@example.org"))
    found = raw_problems(draft)

    assert [field for field, _ in found] == [
        *["raw_message.data"] * 6,
        "raw_message.envelope_from",
        "raw_message.recipients[0]",
    ]


def test_a_problem_repeats_none_of_the_mail():
    told = str(
        raw_problems(raw_draft(mime("Sender: s3cret", "S3cret", body=b"s3cret")))
    )

    assert "3cret" not in told


def header_of(size: int) -> bytes:
    """A mail whose header has *size* octets."""
    data = mime(body=b"")[:-2]
    while size - len(data) > 900:
        data += b"X: " + b"x" * 895 + b"\r\n"
    return data + b"X:" + b"x" * (size - len(data) - 4) + b"\r\n\r\n"


def lines(size: int) -> bytes:
    """A body of *size* octets."""
    return (b"x" * 98 + b"\r\n") * (size // 100) + b"x" * (size % 100 - 2) + b"\r\n"


LIMITS = {
    "message": (2000, lambda n: raw_draft(mime(body=lines(n - len(mime(body=b""))))), "raw_message.data"),
    "header": (1000, lambda n: raw_draft(header_of(n)), "raw_message.data"),
    "recipients": (100, lambda n: raw_draft(recipients=("b@example.org",) * n), "raw_message.recipients"),
    "Message-ID": (250, lambda n: raw_draft(mime(f"Message-ID: <{'x' * (n - 4)}@y>", without="Message-ID")), "raw_message.data"),
}  # fmt: skip


@pytest.mark.parametrize(("limit", "make", "field"), LIMITS.values(), ids=LIMITS)
def test_a_raw_limit_is_the_last_allowed(limit, make, field):
    assert raw_problems(make(limit - 1), limits=SMALL) == []
    assert raw_problems(make(limit), limits=SMALL) == []
    assert [f for f, _ in raw_problems(make(limit + 1), limits=SMALL)] == [field]


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_header_of_64_kib_is_the_largest(extra):
    found = raw_problems(raw_draft(header_of(64 * 1024 + extra)))

    assert bool(found) is (extra > 0)
    assert all("larger than 65,536 octets" in text for _, text in found)


def test_a_header_that_never_ends_is_not_read_to_its_end():
    draft, contents = stored(b"X: " + b"x" * 3_000_000)

    assert any("larger than" in text for _, text in raw_problems(draft, contents))


def test_at_least_one_recipient_is_required():
    assert [f for f, _ in raw_problems(raw_draft(recipients=()))] == [
        "raw_message.recipients"
    ]


class InBlocks(StoredOctets):
    """Octets that come in blocks of the test's choice."""

    sizes: tuple[int, ...] = ()

    def blocks(self, size: int = 0):
        data = b"".join(super().blocks())
        for length in self.sizes:
            yield data[:length]
            data = data[length:]
        yield data


MAILS = [mime(), mime(body=b""), mime(body=b"")[:-2], mime(body=b"\xe9\r\n"), b"\r\n"]


@given(st.sampled_from(MAILS), st.lists(st.integers(0, 60), max_size=8))
def test_the_header_ends_where_it_ends_whatever_the_blocks(data, sizes):
    whole = StoredOctets.of(data)
    octets = InBlocks(whole.sha256, whole.size, whole.open)
    object.__setattr__(octets, "sizes", tuple(sizes))
    draft = raw_draft(data=None, blob=NAME)
    kept = raw_problems(draft, {NAME: whole})

    assert raw_problems(draft, {NAME: octets}) == kept
    if not kept:
        message = check_raw(draft, {NAME: octets}, Limits()).message
        plain = check_raw(draft, {NAME: whole}, Limits()).message
        assert message.header_size == plain.header_size
        assert message.is_8bit == plain.is_8bit
