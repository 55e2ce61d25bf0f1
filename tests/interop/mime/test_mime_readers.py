"""Readers of other languages find in a composed mail what was asked for.

What they may take away is said where it is taken away from what was asked for, too.
"""

from __future__ import annotations

import hashlib
from itertools import cycle, islice
from typing import Any
from urllib.parse import quote

import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_server.domain.address import parse_address
from postroom_server.domain.clock import MICROSECONDS, Instant
from postroom_server.domain.draft import (
    AttachmentDraft,
    Disposition,
    MailboxDraft,
    MessageDraft,
    UnsubscribeDraft,
)
from postroom_server.domain.limits import Limits
from postroom_server.domain.message import Identity
from postroom_server.domain.validation import SenderDefaults, check_message
from postroom_server.mail.composer import Form, compose

from tests.support.mails import DOMAINS, IDENTITY, MAILBOXES, NAMES, draft, drafts

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]
READERS = ("mailparser", "go_mail")
LISTS = ("from", "sender", "reply_to", "to", "cc")
OURS = {
    *("subject", "date", "message-id", "from", "sender", "reply-to", "to", "cc"),
    *("mime-version", "content-type", "content-transfer-encoding"),
}
LIMITS = Limits(max_recipients=1000)

IDENTITIES = st.builds(
    Identity,
    message_id=st.sampled_from(
        ["<1@example.com>", f"<{'m' * 236}@example.com>", "<a!#$%&'*+/=?^_`{|}~-@[x]>"]
    ),
    # RFC 5322 §3.3: years of four digits.
    date_at=st.integers(0, 253_402_300_799).map(lambda s: Instant(s * MICROSECONDS)),
    boundary=st.just("b0" * 16),
)


def mailboxes_beyond_ascii() -> st.SearchStrategy[MailboxDraft]:
    """Mailboxes whose local part only a relay with SMTPUTF8 takes (RFC 6531)."""
    locals_ = st.sampled_from(["jürgen", "δοκιμή", "用户", "пётр.и", "a+ñ", '"é x"'])
    return st.builds(
        lambda local, domain, name: MailboxDraft(f"{local}@{domain}", name),
        locals_,
        DOMAINS,
        NAMES,
    )


@pytest.fixture(scope="module", params=READERS)
def reader(request):
    return request.getfixturevalue(request.param)


@settings(max_examples=200)
@given(drafts(), IDENTITIES)
def test_a_mail_reads_as_it_was_asked_for(reader, asked, identity):
    assert_same(reader, asked, identity)


@settings(max_examples=5)
@given(st.lists(MAILBOXES, min_size=20, max_size=20), IDENTITIES)
def test_three_hundred_recipients_read_as_they_were_given(reader, boxes, identity):
    everybody = tuple(islice(cycle(boxes), 300))

    assert_same(reader, draft(to=everybody, cc=tuple(boxes)), identity)


@settings(max_examples=60)
@given(st.lists(mailboxes_beyond_ascii(), min_size=1, max_size=3))
def test_addresses_for_smtputf8_read_as_they_were_given(reader, boxes):
    asked = draft(to=tuple(boxes))

    read = reader(composed(asked, Form.UTF8))

    assert compared(read["to"]) == mailboxes_in(asked, "to")


@settings(max_examples=60)
@given(st.lists(mailboxes_beyond_ascii(), min_size=1, max_size=3), MAILBOXES)
def test_no_reader_takes_the_copy_of_an_address_for_one(reader, boxes, other):
    asked = draft(to=(*boxes, other))

    read = reader(composed(asked))

    assert compared(read["to"]) == mailboxes_in(draft(to=(other,)), "to")


def composed(
    asked: MessageDraft, form: Form = Form.ASCII, identity: Identity = IDENTITY
) -> bytes:
    message = check_message(asked, SenderDefaults(), LIMITS).message
    return bytes(compose(message, identity, form))


def assert_same(reader, asked: MessageDraft, identity: Identity) -> None:
    read = reader(composed(asked, identity=identity))
    found = {name: COMPARED.get(name, same)(read[name]) for name in read}
    wanted = meaning(asked, identity)

    assert found == {name: wanted[name] for name in found}


def meaning(asked: MessageDraft, identity: Identity) -> dict[str, Any]:
    """What a reader must find, as it is compared."""
    files = in_order(asked)
    inline = [file.disposition is Disposition.INLINE for file in files]
    return {
        "subject": spaced(asked.subject),
        "date": identity.date_at // MICROSECONDS,
        "message_id": identity.message_id,
        **{name: mailboxes_in(asked, name) for name in LISTS},
        "headers": own_headers(asked),
        "text": lines(asked.text),
        "html": lines(asked.html),
        "files": [file_of(file) for file in files],
        "shape": shape(asked),
        "places": places(asked),
        "related": [is_inline or None for is_inline in inline],
    }


def mailboxes_in(asked: MessageDraft, name: str) -> list[list[str]]:
    value = getattr(asked, "from_mailbox" if name == "from" else name)
    boxes = value if isinstance(value, tuple) else (value,) if value else ()
    if name == "sender" and boxes:
        # RFC 5322 §3.6.2: left out where it says what From says.
        author = asked.from_mailbox
        same_one = (
            parse_address(author.address).key == parse_address(boxes[0].address).key
        )
        boxes = () if same_one else boxes
    return compared((box.name, parse_address(box.address).shown) for box in boxes)


def compared(boxes) -> list[list[str]]:
    return [[spaced(name), bare(address)] for name, address in boxes]


def own_headers(asked: MessageDraft) -> dict[str, list[str]]:
    """The caller's own, and how to unsubscribe, by lower-case name."""
    found: dict[str, list[str]] = {}
    for header in asked.headers:
        found.setdefault(header.name.lower(), []).append(spaced(header.value))
    if asked.unsubscribe is not None:
        found["list-unsubscribe"] = [ways(asked.unsubscribe)]
        if asked.unsubscribe.one_click:
            found["list-unsubscribe-post"] = ["List-Unsubscribe=One-Click"]
    return found


def ways(asked: UnsubscribeDraft) -> str:
    uris = [asked.url] if asked.url else []
    if asked.mailto:
        address = parse_address(asked.mailto)
        local = quote(address.local, safe="!$'*+")
        uris.append(f"mailto:{local}@{address.domain}")
    return ",".join(f"<{uri}>" for uri in uris)


def headers_compared(read: dict[str, list[str]]) -> dict[str, list[str]]:
    own = {k: [spaced(v) for v in vs] for k, vs in read.items() if k not in OURS}
    if "list-unsubscribe" in own:
        # RFC 2369 §2: white space between the brackets says nothing.
        own["list-unsubscribe"] = [v.replace(" ", "") for v in own["list-unsubscribe"]]
    return own


def in_order(asked: MessageDraft) -> list[AttachmentDraft]:
    """The files as they come: those within the HTML first."""
    return sorted(
        asked.attachments, key=lambda f: f.disposition is not Disposition.INLINE
    )


def file_of(file: AttachmentDraft) -> list[str]:
    return [
        spaced(file.filename),
        file.content_type.partition(";")[0],
        f"<{file.content_id}>" if file.content_id else "",
        "inline" if file.disposition is Disposition.INLINE else "attachment",
        hashlib.sha256(file.data or b"").hexdigest(),
    ]


def shape(asked: MessageDraft) -> str:
    """How the parts stand within each other (RFC 2046 §5.1, RFC 2387)."""
    kinds = [file.content_type.partition(";")[0] for file in in_order(asked)]
    count = inline_count(asked)
    texts = ["text/plain"] if asked.text else []
    if asked.html:
        texts.append(within("related", ["text/html", *kinds[:count]]))
    return within("mixed", [within("alternative", texts), *kinds[count:]])


def within(kind: str, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"multipart/{kind}({','.join(parts)})"


def places(asked: MessageDraft) -> list[str]:
    """Where each file stands, as IMAP numbers parts (RFC 3501 §6.4.5)."""
    count, files = inline_count(asked), len(asked.attachments)
    above = "1." if count < files else ""
    html = f"{above}2." if asked.text else above
    inside = [f"{html}{number + 2}" for number in range(count)]
    return inside + [f"{number + 2}" for number in range(files - count)]


def inline_count(asked: MessageDraft) -> int:
    return sum(file.disposition is Disposition.INLINE for file in asked.attachments)


def spaced(text: str | None) -> str:
    """*text* as these readers keep it: white space at its ends is theirs to take."""
    return (text or "").strip()


def bare(address: str) -> str:
    """*address* without quotes; mailparser shows an A-label as what it stands for."""
    local, _, domain = address.replace('"', "").replace("\\", "").rpartition("@")
    if not domain.isascii():
        domain = idna.encode(domain, uts46=True).decode()
    return f"{local}@{domain}"


def lines(text: str | None) -> str | None:
    """*text* with one kind of line end, and none at its end."""
    if not text:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") or None


def same(value: object) -> object:
    return value


COMPARED = {
    "subject": spaced,
    "text": lines,
    "html": lines,
    "headers": headers_compared,
    "files": lambda files: [[spaced(name), *rest] for name, *rest in files],
    **dict.fromkeys(LISTS, compared),
}
