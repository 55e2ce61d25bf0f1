"""The names of files in part headers (RFC 2231)."""

from __future__ import annotations

import email
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given

from tests.support.mails import FILENAMES, draft, file, raw, reading


def part_with(name: str, **changes: str) -> bytes:
    content = raw(attachments=(file(filename=name, **changes),))
    return content.split(b"\r\n--=_")[2]


@given(FILENAMES)
def test_a_name_arrives_as_it_was_given(name):
    (attached,) = reading(raw(attachments=(file(filename=name),))).iter_attachments()

    assert attached["Content-Disposition"].params["filename"] == name


# The older interface takes quotes, angle brackets and white space off the ends.
@given(FILENAMES.filter(lambda name: name.strip(' \t"<>') == name.strip() == name))
def test_older_readers_read_the_same_name(name):
    content = raw(attachments=(file(filename=name),))

    assert email.message_from_bytes(content).get_payload(1).get_filename() == name


@pytest.mark.parametrize(
    ("name", "disposition", "fallback"),
    [
        ("a.pdf", b'filename="a.pdf"', b'name="a.pdf"'),
        ("a b;c.pdf", b'filename="a b;c.pdf"', b'name="a b;c.pdf"'),
        ('a";x="y', b"filename*=utf-8''a%22%3Bx%3D%22y", b'name="a__x__y"'),
        ("=?x?=", b"filename*=utf-8''%3D%3Fx%3F%3D", b'name="__x__"'),
        ("Übung.pdf", b"filename*=utf-8''%C3%9Cbung.pdf", b'name="Ubung.pdf"'),
        ("発票.pdf", b"filename*=utf-8''%E7%99%BA%E7%A5%A8.pdf", b'name="__.pdf"'),
        (" a ", b"filename*=utf-8''%20a%20", b'name="a"'),
    ],
)
def test_a_name_is_encoded_where_readers_differ(name, disposition, fallback):
    part = part_with(name)

    assert disposition in part
    assert fallback in part


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "💩" * 63, "日" * 85])
def test_a_long_name_continues_on_short_lines(name):
    part = part_with(name)

    assert b"filename*0*=utf-8''" in part
    assert b"filename*1*=" in part
    assert all(len(line) <= 78 for line in part.split(b"\r\n"))


@given(FILENAMES)
def test_no_piece_of_a_name_splits_a_character(name):
    for line in part_with(name).split(b"\r\n"):
        if b"*=" in line:
            octets = line.partition(b"*=")[2].rstrip(b";").removeprefix(b"utf-8''")

            assert unquote_to_bytes(octets).decode()


def test_a_long_type_with_parameters_folds():
    kind = "text/csv; " + "; ".join(f"p{i}=" + "v" * 20 for i in range(8))
    part = part_with("a.csv", content_type=kind)

    assert all(len(line) <= 78 for line in part.split(b"\r\n"))


def test_parameters_of_a_type_arrive():
    asked = draft(attachments=(file(content_type='text/csv; header=absent; x="a; b"'),))
    content = raw(attachments=asked.attachments)
    (attached,) = reading(content).iter_attachments()

    assert attached.get_content_type() == "text/csv"
    assert attached.get_param("header") == "absent"
    assert attached.get_param("x") == "a; b"
