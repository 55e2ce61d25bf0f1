"""Hostile text in every field: refused at that field, or it arrives as it is.

Payloads: published header injections (CVE-2024-6923, CVE-2026-1299, CVE-2012-0796,
CVE-2020-13625, bpo-39073), ways to smuggle a second mail (CVE-2023-51764 to -51766,
CVE-2024-27305), and the big list of naughty strings.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from postroom_server.domain.draft import Header, MailboxDraft, MessageDraft
from postroom_server.domain.errors import InvalidMessage

from tests.support.mails import (
    addresses_in,
    composed,
    decoded,
    draft,
    file,
    header_lines,
    header_names,
    problems,
    reading,
    unfolded,
)

SMUGGLING = [
    before + "." + after
    for before in ("\n", "\r", "\r\n")
    for after in ("\n", "\r", "\r\n")
]
INJECTIONS = [
    "A 💩 subject=?UTF-8?Q?=0A?=Bcc: x@example.com",
    "=?UTF-8?Q?=0D=0ABcc=3A_x@example.com?=",
    "hello\n",
    "a\r\nBcc: x@example.com",
    "a\rBcc: x@example.com",
    "a\nBcc: x@example.com",
    "a\r\n\r\n<html>",
    "a\r\n Bcc: x@example.com",
    "a\u2028Bcc: x@example.com",
    "a\u2029Bcc: x@example.com",
    "a\x85Bcc: x@example.com",
    "a\x0bBcc: x@example.com",
    "a\x0cBcc: x@example.com",
    "a\x1cBcc: x@example.com",
    "a\0Bcc: x@example.com",
    "嘊嘍Bcc: x@example.com",  # whose low octets are LF and CR
    'a"; filename="b.exe',
    'a.txt"\r\nBcc: x@example.com',
    '"><script>',
    "a>, <x@example.com",
    "x@example.com, y@example.com",
    "a; Bcc: x@example.com",
    "a\\",
    'a\\\\"',
    "(a",
    "=?",
    "?=",
    "=?utf-8?B?????=",
    "%0d%0aBcc: x@example.com",
    "\ud800",
    "\ud83d\ude00",
    "\ufeffa",
    "\u202ea",
    "x" * 997,
    " " * 500,
    "\t" * 500,
    "a " * 498,
    *(f"a{s}MAIL FROM:<x@example.com>{s}RCPT TO:<y@example.com>" for s in SMUGGLING),
]
FIELDS: dict[str, tuple[Callable[[str], MessageDraft], Callable[[bytes], object]]] = {
    "message.subject": (
        lambda t: draft(subject=t),
        lambda raw: reading(raw)["Subject"],
    ),
    "message.from_mailbox.name": (
        lambda t: draft(from_mailbox=MailboxDraft("a@example.com", t)),
        lambda raw: addresses_in(raw, "From")[0][0],
    ),
    "message.to[1].name": (
        lambda t: draft(to=(MailboxDraft("b@x.org"), MailboxDraft("a@x.org", t))),
        lambda raw: addresses_in(raw, "To")[1][0],
    ),
    "message.cc[0].address": (
        lambda t: draft(cc=(MailboxDraft(f"{t}@example.com", "C"),)),
        lambda raw: address_in_cc(raw).removesuffix("@example.com"),
    ),
    "message.reply_to[0].address": (
        lambda t: draft(reply_to=(MailboxDraft(f"a@{t}", "C"),)),
        lambda raw: addresses_in(raw, "Reply-To")[0][1].removeprefix("a@"),
    ),
    "message.headers[0].value": (
        lambda t: draft(headers=(Header("X-Naughty", t),)),
        lambda raw: reading(raw)["X-Naughty"],
    ),
    "message.headers[0].name": (
        lambda t: draft(headers=(Header(t, "v"),)),
        lambda raw: header_names(raw)[-4],
    ),
    "message.text_body": (
        lambda t: draft(text=f"{t}!"),
        lambda raw: reading(raw).get_payload(decode=True).decode().rstrip("\r\n")[:-1],
    ),
    "message.html_body": (
        lambda t: draft(html=f"{t}!"),
        lambda raw: reading(raw).get_payload(1).get_payload(decode=True).decode()[:-1],
    ),
    "message.attachments[0].filename": (
        lambda t: draft(attachments=(file(filename=t),)),
        lambda raw: reading(raw).get_payload(1)["Content-Disposition"].params["filename"],
    ),
    "message.attachments[0].content_type": (
        lambda t: draft(attachments=(file(content_type=f"a/{t}"),)),
        lambda raw: reading(raw).get_payload(1).get_content_type().removeprefix("a/"),
    ),
    "message.attachments[0].content_id": (
        lambda t: draft(attachments=(file(content_id=f"{t}@x"),)),
        lambda raw: reading(raw).get_payload(1)["Content-ID"][1:-3],
    ),
    "message.message_id": (
        lambda t: draft(message_id=f"<{t}@example.com>"),
        lambda _: None,
    ),
}  # fmt: skip
BODIES = {"message.text_body", "message.html_body"}
KNOWN = {"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "X-Naughty",
         "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}  # fmt: skip


def address_in_cc(raw: bytes) -> str:
    """The address, which is in the name of an empty group when it is not ASCII."""
    group = unfolded(raw, "Cc")
    if group.endswith(":;"):
        return decoded(group.removesuffix(":;").rstrip()).removeprefix("C ")
    return addresses_in(raw, "Cc")[0][1]


def outcome(field: str, text: str) -> str:
    """How *text* fared in *field*: "refused", "arrived", or what went wrong."""
    build, read = FIELDS[field]
    try:
        raw = bytes(composed(build(text)))
    except InvalidMessage:
        found = list(problems(build(text)))
        return "refused" if found == [field] else f"refused at {found}"
    if any(not line.strip() for line in header_lines(raw)) or not raw.isascii():
        return f"broken header: {raw!r}"
    if not set(header_names(raw)) <= KNOWN | {text}:
        return f"headers {header_names(raw)}"
    got = read(raw)
    expected = text if field not in BODIES else with_crlf(text)
    return "arrived" if got is None or same(got, expected, field) else f"became {got!r}"


def same(got: object, expected: str, field: str) -> bool:
    if field.endswith(("content_type", "reply_to[0].address")):
        return str(got).lower() == expected.lower() or str(got).startswith("xn--")
    return got == expected


def with_crlf(text: str) -> str:
    one = text.replace("\r\n", "\n").replace("\r", "\n")
    return one.replace("\n", "\r\n")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", INJECTIONS, ids=lambda t: ascii(t)[:30])
def test_a_payload_is_refused_where_it_stands_or_arrives(field, text):
    assert outcome(field, text) in {"refused", "arrived"}


@pytest.mark.parametrize("field", FIELDS)
def test_naughty_strings_are_refused_where_they_stand_or_arrive(field, corpora):
    strings = json.loads((corpora / "payloads/blns.json").read_text("utf-8"))
    wrong = {
        text: how
        for text in strings
        if (how := outcome(field, text)) not in {"refused", "arrived"} and text
    }

    assert wrong == {}


@pytest.mark.parametrize("sequence", SMUGGLING, ids=ascii)
@pytest.mark.parametrize("place", ["text", "html", "data", "filename"])
def test_nothing_on_the_wire_ends_the_mail_early(place, sequence):
    text = f"a{sequence}MAIL FROM:<x@example.com>\r\n"
    if place == "data":
        asked = draft(attachments=(file(data=text.encode()),))
    elif place == "filename":
        asked = draft(attachments=(file(filename="a"),), text=text)
    else:
        asked = draft(**{place: text})
    raw = bytes(composed(asked))

    assert raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n")
