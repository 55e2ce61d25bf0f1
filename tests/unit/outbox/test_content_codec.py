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
from postroom_server.domain.message import (
    Attachment,
    Identity,
    Mailbox,
    Message,
    RawMessage,
    Unsubscribe,
)
from postroom_server.domain.octets import StoredOctets, StoredText
from postroom_server.outbox.content import (
    FORMAT,
    WITH_FILES,
    WORTH_COMPRESSING,
    decode_content,
    encode_content,
)
from postroom_server.outbox.store import Content

from tests.support.builders import a_content, an_attachment

FILES = {o.sha256: o for o in map(StoredOctets.of, (b"one", b"two\r\n", b"\xff"))}


def find(sha256, size):
    """The file of that digest, as the store would give it."""
    assert FILES[sha256].size == size
    return FILES[sha256]


def read_back(content):
    return decode_content(*encode_content(content), find)


texts = st.text(max_size=40)
files = st.sampled_from(sorted(FILES.values(), key=lambda octets: octets.sha256))
stored_texts = st.builds(StoredText, files, st.integers(0, 9))
addresses = st.builds(Address, given=texts, local=texts, domain=texts)
mailboxes = st.builds(Mailbox, addresses, texts)
several = st.lists(mailboxes, max_size=3).map(tuple)
bodies = st.none() | texts | texts.map(lambda text: text * 2000) | stored_texts
attachments = st.builds(
    Attachment,
    filename=texts,
    content_type=texts,
    data=st.binary(max_size=60)
    | st.binary(min_size=1, max_size=9).map(lambda b: b * 5000)
    | files,
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
    unsubscribe=st.none()
    | st.builds(Unsubscribe, texts, st.none() | addresses, one_click=st.booleans()),
)
raw_messages = st.builds(
    RawMessage,
    mime=st.binary(max_size=60) | files,
    envelope=st.lists(addresses, max_size=3).map(tuple),
    authors=st.lists(addresses, max_size=3).map(tuple),
    subject=texts,
    message_id=texts,
    header_size=st.integers(0, 70_000),
    is_8bit=st.booleans(),
    needs_smtputf8=st.booleans(),
)
identities = st.builds(Identity, texts, st.integers(0, 2**53).map(Instant), texts)


@given(st.builds(Content, messages | raw_messages, identities))
def test_any_content_is_read_back_as_it_was(content):
    assert read_back(content) == content


@given(st.builds(Content, messages | raw_messages, identities))
def test_what_older_versions_can_read_is_written_as_they_know_it(content):
    form, _ = encode_content(content)
    new = isinstance(content.message, RawMessage) or content.message.stored

    assert form == (WITH_FILES if new else FORMAT)


def test_octets_in_files_are_not_stored_again():
    stored = StoredOctets.of(b"x" * 100_000)
    _, encoded = encode_content(a_content(attachments=(an_attachment(stored),)))

    assert len(encoded) < 2000


def test_every_field_of_a_message_is_stored():
    """A field that was added to the domain must be added to the codec."""
    known = {
        Message: 12,
        Mailbox: 2,
        Address: 3,
        Attachment: 5,
        Header: 2,
        Identity: 3,
        Content: 2,
        RawMessage: 8,
        StoredOctets: 4,
        StoredText: 2,
        Unsubscribe: 3,
    }

    assert {value: len(fields(value)) for value in known} == known


def test_what_a_caller_wrote_is_kept_even_where_it_is_no_text():
    content = a_content(text="\ud800", subject="\udfff")

    assert read_back(content) == content


@pytest.mark.parametrize("size", [WORTH_COMPRESSING - 1, WORTH_COMPRESSING])
def test_text_is_compressed_from_some_size_on(size):
    _, encoded = encode_content(a_content(text="a" * size))

    assert (len(encoded) < size) == (size >= WORTH_COMPRESSING)


def test_what_is_compressed_already_is_stored_as_it_is():
    noise = random.Random(1).randbytes(100_000)
    _, encoded = encode_content(a_content(attachments=(an_attachment(noise),)))

    assert noise in encoded


def test_a_newer_form_is_not_guessed_at():
    _, encoded = encode_content(a_content())

    assert decode_content(WITH_FILES + 1, encoded, find) is None


@given(st.integers(0, 2000), st.binary(max_size=8))
def test_damaged_content_is_none_or_some_content(at, damage):
    """Never an exception: the attempt fails, not the worker."""
    form, whole = encode_content(a_content(text="x" * 300))
    damaged = whole[:at] + damage
    decoded = decode_content(form, damaged, find)

    assert decoded is None or isinstance(decoded, Content)
    assert decoded is None or damaged.startswith(whole)


@given(st.integers(0, 400), st.integers(0, 255))
def test_content_with_a_changed_octet_is_never_taken_for_another(at, octet):
    content = a_content()
    form, whole = encode_content(content)
    changed = bytearray(whole)
    changed[at % len(whole)] = octet

    expected = content if bytes(changed) == whole else None
    assert decode_content(form, bytes(changed), find) == expected
