"""Mails to ask for: a plain one to vary, and all kinds for property tests.

`reading` and `addresses_in` read a composed mail with the standard library, which had
no part in writing it.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

from hypothesis import strategies as st
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import (
    AttachmentDraft,
    Disposition,
    Header,
    MailboxDraft,
    MessageDraft,
    UnsubscribeDraft,
)
from postroom_server.domain.errors import InvalidMessage
from postroom_server.domain.limits import Limits
from postroom_server.domain.message import Identity, Message
from postroom_server.domain.validation import (
    SenderDefaults,
    ValidMessage,
    check_message,
)
from postroom_server.mail.composer import Composed, Form, compose

IDENTITY = Identity("<1@example.com>", Instant(1_700_000_000_000_000), "b0" * 16)


def draft(**changes: Any) -> MessageDraft:
    """A mail without problems, but for *changes*."""
    plain = MessageDraft(
        from_mailbox=MailboxDraft("ann@example.com", "Ann"),
        to=(MailboxDraft("bob@example.org"),),
        subject="Hello",
        text="Dear Bob,\nhello.\n",
    )
    return replace(plain, **changes)


def file(**changes: Any) -> AttachmentDraft:
    """An attachment without problems, but for *changes*."""
    plain = AttachmentDraft(
        filename="a.bin", content_type="application/octet-stream", data=b"\0\1\2"
    )
    return replace(plain, **changes)


def checked(asked: MessageDraft, **defaults: str) -> ValidMessage:
    """*asked*, which must be valid."""
    return check_message(asked, SenderDefaults(**defaults), Limits())


def problems(
    asked: MessageDraft, limits: Limits | None = None, **defaults: str
) -> dict[str, str]:
    """What is wrong with *asked*, by field; empty when it is valid."""
    try:
        check_message(asked, SenderDefaults(**defaults), limits or Limits())
    except InvalidMessage as error:
        return {p.field: p.description for p in error.problems}
    return {}


def message(**changes: Any) -> Message:
    """A valid message, but for *changes* to its draft."""
    return checked(draft(**changes)).message


def composed(asked: MessageDraft, form: Form = Form.ASCII) -> Composed:
    return compose(checked(asked).message, IDENTITY, form)


def raw(form: Form = Form.ASCII, **changes: Any) -> bytes:
    """The bytes of a valid message with *changes*."""
    return bytes(composed(draft(**changes), form))


def reading(content: bytes) -> EmailMessage:
    """*content* as the standard library reads it."""
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def header_lines(content: bytes) -> list[bytes]:
    return content.partition(b"\r\n\r\n")[0].split(b"\r\n")


def header_names(content: bytes) -> list[str]:
    lines = header_lines(content)
    return [li.partition(b":")[0].decode() for li in lines if li[:1] not in b" \t"]


def unfolded(content: bytes, name: str) -> str:
    """The body of header *name* as it was written, on one line."""
    parsed = email.message_from_bytes(content)
    return str(parsed[name]).replace("\r\n", "").replace("\n", "")


def addresses_in(content: bytes, name: str) -> list[tuple[str, str]]:
    """Names and addresses in header *name*.

    The newer interface of the library puts spaces between encoded words of a display
    name (RFC 2047 §6.2 forbids it), the older does not.
    """
    pairs = getaddresses([unfolded(content, name)])
    return [(decoded(shown), address) for shown, address in pairs]


def decoded(text: str) -> str:
    return str(make_header(decode_header(text)))


# What turns the direction of text, joins, combines, shows nothing, is white space
# beyond ASCII's, ends a line for `str.splitlines` alone, or is no character at all.
ODD = (
    "\u202e\u2066\u2069\u200f\u061c\u200d\u200b\ufeff\u00ad\ufe0f\u0301\u0345\u20e3"
    "\u00a0\u2003\u3000\u1680\x80\x9f\ufffd\ufffe\uffff\U0010ffff\ue000"
    "\U0001f468\U0001f1e9\U000e0067"
)
# All of Unicode that may stand in a header, often four scripts and emoji, and what has
# a meaning in a header.
CHARACTERS = st.one_of(
    st.sampled_from(ODD),
    st.characters(
        min_codepoint=0x20,
        exclude_categories=("Cs", "Cc"),
        exclude_characters="\u2028\u2029",
    ),
    st.characters(min_codepoint=32, max_codepoint=126),
    st.sampled_from("\"\\=?_,;:<>()@.' \t%*"),
    st.characters(min_codepoint=0xA0, max_codepoint=0x17F),
    st.characters(min_codepoint=0x410, max_codepoint=0x44F),
    st.characters(min_codepoint=0x621, max_codepoint=0x64A),
    st.characters(min_codepoint=0x4E00, max_codepoint=0x4EFF),
    st.characters(min_codepoint=0x1F600, max_codepoint=0x1F64F),
)
LINES = st.one_of(
    st.text(CHARACTERS, max_size=120),
    st.text(st.sampled_from('ab =?."'), max_size=300),
    st.sampled_from(["=?utf-8?q?x?=", " =?utf-8?B?eA==?= =?utf-8?B?eA==?= ", "a  b"]),
    st.sampled_from(["x" * 899 + " y", "x" * 901, "\u00e9" * 400, "a " * 300, "%s%00"]),
)
"""Texts for headers."""
NAMES = st.one_of(
    st.text(CHARACTERS, max_size=60), st.text(CHARACTERS, max_size=255), st.just("")
)
LOCALS = st.one_of(
    st.sampled_from(["ann", "a.b+c", '"a b"', '"a@b, <c>"', r'"a\"\\b"', "x" * 64]),
    st.text(
        st.sampled_from("abz09!#$%&'*+/=?^_`{|}~-"), min_size=1, max_size=30
    ).filter(lambda local: "=?" not in local),
)
DOMAINS = st.sampled_from(
    [
        *("example.com", "Example.ORG", "xn--bcher-kva.example", "bücher.example"),
        *("例え.テスト", "straße.example", f"{'d' * 63}.{'e' * 63}.example"),
    ]
)
MAILBOXES = st.builds(
    lambda local, domain, name: MailboxDraft(f"{local}@{domain}", name),
    LOCALS,
    DOMAINS,
    NAMES,
)
BODY_PIECES = st.one_of(
    st.sampled_from(
        [
            "\n",
            "\r",
            "\r\n",
            "\n.\n",
            "\r\n.\r\n",
            "From ",
            "\nFrom From x",
            " \n",
            "==",
        ]
    ),
    st.sampled_from(
        ["\t\r", "--", "x" * 75, "x" * 76, "x" * 77, "y" * 998, "z" * 1200]
    ),
    st.sampled_from(
        [
            "\n",
            "\r\n.",
            "\n..\n",
            "\n. \n",
            "\nFrom \n",
            " \r\n",
            "\t \n",
            "=20\n",
            "=\n",
        ]
    ),
    st.sampled_from(
        ["=" * 80, "\u00e9" * 500, "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]
    ),
    st.text(CHARACTERS, max_size=40),
    st.text(st.characters(min_codepoint=1, max_codepoint=0x7F), max_size=10),
)
BODIES = st.lists(BODY_PIECES, min_size=1, max_size=12).map("".join).filter(bool)
NOT_IN_FILENAMES = re.compile(
    "[/\\\\\t\x80-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
FILENAMES = st.text(
    CHARACTERS.filter(lambda c: not NOT_IN_FILENAMES.match(c)), min_size=1, max_size=60
).filter(lambda n: n not in {".", ".."})
FILES = st.builds(
    AttachmentDraft,
    filename=FILENAMES,
    content_type=st.sampled_from(["application/pdf", "text/csv; charset=utf-8"]),
    data=st.binary(min_size=1, max_size=300),
)
HEADER_NAMES = st.sampled_from(["X-One", "X-" + "a" * 74, "Comments", "List-Id"])
HEADERS = st.lists(st.builds(Header, HEADER_NAMES, LINES), max_size=4).map(tuple)

UNSUBSCRIBES = st.builds(
    UnsubscribeDraft,
    url=st.integers(20, 2048).map(lambda n: "https://example.com/".ljust(n, "x")),
    mailto=st.just("")
    | st.builds(lambda local, domain: f"{local}@{domain}", LOCALS, DOMAINS),
    one_click=st.booleans(),
)


@st.composite
def drafts(draw: st.DrawFn) -> MessageDraft:
    """Any valid mail with up to a few of everything."""
    some = st.lists(MAILBOXES, min_size=1, max_size=4).map(tuple)
    few = st.lists(MAILBOXES, max_size=2).map(tuple)
    html = draw(st.none() | BODIES)
    text = draw(BODIES if html is None else st.none() | BODIES)
    inline = AttachmentDraft(
        filename="i.png",
        content_type="image/png",
        data=b"png",
        disposition=Disposition.INLINE,
        content_id="i@x",
    )
    files = tuple(draw(st.lists(FILES, max_size=2)))
    if html is not None and draw(st.booleans()):
        files = (*files, inline)
    return MessageDraft(
        from_mailbox=draw(MAILBOXES),
        sender=draw(st.none() | MAILBOXES),
        reply_to=draw(few),
        to=draw(some),
        cc=draw(few),
        subject=draw(LINES.filter(bool)),
        text=text,
        html=html,
        attachments=files,
        headers=draw(HEADERS),
        unsubscribe=draw(st.none() | UNSUBSCRIBES),
    )
