"""Stored content is read back as it was, or not at all."""

from __future__ import annotations

import random
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.address import Address
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import Disposition, Header
from postroom_server.domain.message import Attachment, Identity, Mailbox, Message
from postroom_server.outbox.content import (
    FORMAT,
    WORTH_COMPRESSING,
    decode_content,
    encode_content,
)
from postroom_server.outbox.store import Content

from tests.support.builders import a_content, an_attachment

texts = st.text(max_size=40)
addresses = st.builds(Address, given=texts, local=texts, domain=texts)
mailboxes = st.builds(Mailbox, addresses, texts)
several = st.lists(mailboxes, max_size=3).map(tuple)
bodies = st.none() | texts | texts.map(lambda text: text * 2000)
attachments = st.builds(
    Attachment,
    filename=texts,
    content_type=texts,
    data=st.binary(max_size=60)
    | st.binary(min_size=1, max_size=9).map(lambda b: b * 5000),
    disposition=st.sampled_from(Disposition),
    content_id=texts,
)
messages = st.builds(
    Message,
    from_mailbox=mailboxes,
    sender=st.none() | mailboxes,
    reply_to=several,
    to=several,
    cc=several,
    bcc=several,
    subject=texts,
    text=bodies,
    html=bodies,
    attachments=st.lists(attachments, max_size=3).map(tuple),
    headers=st.lists(st.builds(Header, texts, texts), max_size=3).map(tuple),
)
identities = st.builds(Identity, texts, st.integers(0, 2**53).map(Instant), texts)


@given(st.builds(Content, messages, identities))
def test_any_content_is_read_back_as_it_was(content):
    assert decode_content(FORMAT, encode_content(content)) == content


def test_every_field_of_a_message_is_stored():
    """A field that was added to the domain must be added to the codec."""
    known = {
        Message: 11,
        Mailbox: 2,
        Address: 3,
        Attachment: 5,
        Header: 2,
        Identity: 3,
        Content: 2,
    }

    assert {value: len(fields(value)) for value in known} == known


def test_what_a_caller_wrote_is_kept_even_where_it_is_no_text():
    content = a_content(text="\ud800", subject="\udfff")

    assert decode_content(FORMAT, encode_content(content)) == content


@pytest.mark.parametrize("size", [WORTH_COMPRESSING - 1, WORTH_COMPRESSING])
def test_text_is_compressed_from_some_size_on(size):
    encoded = encode_content(a_content(text="a" * size))

    assert (len(encoded) < size) == (size >= WORTH_COMPRESSING)


def test_what_is_compressed_already_is_stored_as_it_is():
    noise = random.Random(1).randbytes(100_000)
    encoded = encode_content(a_content(attachments=(an_attachment(noise),)))

    assert noise in encoded


def test_a_newer_form_is_not_guessed_at():
    assert decode_content(FORMAT + 1, encode_content(a_content())) is None


@given(st.integers(0, 2000), st.binary(max_size=8))
def test_damaged_content_is_none_or_some_content(at, damage):
    """Never an exception: the attempt fails, not the worker."""
    whole = encode_content(a_content(text="x" * 300))
    damaged = whole[:at] + damage
    decoded = decode_content(FORMAT, damaged)

    assert decoded is None or isinstance(decoded, Content)
    assert decoded is None or damaged.startswith(whole)


@given(st.integers(0, 400), st.integers(0, 255))
def test_content_with_a_changed_octet_is_never_taken_for_another(at, octet):
    content = a_content()
    whole = encode_content(content)
    changed = bytearray(whole)
    changed[at % len(whole)] = octet

    expected = content if bytes(changed) == whole else None
    assert decode_content(FORMAT, bytes(changed)) == expected
