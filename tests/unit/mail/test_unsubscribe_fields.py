"""The List-Unsubscribe headers, read back as any reader would (RFC 2369, RFC 8058)."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from postroom_server.domain.draft import Header, MailboxDraft, UnsubscribeDraft
from postroom_server.mail.composer import Form

from tests.support.mails import composed, draft, header_names, problems

HERE = "https://example.com/u?t=1"
TO = "leave@example.com"


def header(name: str, content: bytes) -> str:
    """The field of that name, unfolded, as it stands."""
    head = content.partition(b"\r\n\r\n")[0].decode("ascii") + "\r\n"
    (found,) = re.findall(rf"(?m)^{name}:(.*(?:\r\n[ \t].*)*)\r\n", head)
    return found.replace("\r\n", "").strip()


def uris(value: str) -> list[str]:
    """What stands in angle brackets, its white space dropped (RFC 2369 §2)."""
    return [re.sub(r"\s", "", uri) for uri in re.findall(r"<([^>]*)>", value)]


def asked(**fields: object) -> bytes:
    return bytes(composed(draft(unsubscribe=UnsubscribeDraft(**fields))))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"url": HERE}, f"<{HERE}>"),
        ({"mailto": TO}, f"<mailto:{TO}>"),
        ({"url": HERE, "mailto": TO}, f"<{HERE}>, <mailto:{TO}>"),
        ({"mailto": "a+b@example.com"}, "<mailto:a+b@example.com>"),
        ({"mailto": "a&b=c/d?e%f@example.com"}, "<mailto:a%26b%3Dc%2Fd%3Fe%25f@example.com>"),
        ({"mailto": '"a b"@example.com'}, "<mailto:%22a%20b%22@example.com>"),
        ({"mailto": "ä@bücher.example"}, "<mailto:%C3%A4@xn--bcher-kva.example>"),
    ],
    ids=str,
)  # fmt: skip
def test_each_way_out_stands_in_its_brackets(fields, expected):
    content = asked(**fields)

    assert header("List-Unsubscribe", content) == expected
    assert b"List-Unsubscribe-Post" not in content


@pytest.mark.parametrize("form", Form)
def test_one_click_is_said_as_the_rfc_says_it(form):
    mail = draft(unsubscribe=UnsubscribeDraft(url=HERE, mailto=TO, one_click=True))
    content = bytes(composed(mail, form))

    assert header("List-Unsubscribe-Post", content) == "List-Unsubscribe=One-Click"
    assert uris(header("List-Unsubscribe", content)) == [HERE, f"mailto:{TO}"]


def test_a_mail_without_has_no_such_header():
    assert b"Unsubscribe" not in bytes(composed(draft()))


def test_the_headers_come_before_those_of_the_caller():
    mail = draft(
        unsubscribe=UnsubscribeDraft(url=HERE, one_click=True),
        headers=(Header("X-A", "1"),),
    )

    assert header_names(bytes(composed(mail)))[-6:] == [
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "X-A",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ]


@given(st.integers(20, 2048), st.booleans())
def test_a_uri_of_any_length_arrives_whole_on_lines_that_are_not_too_long(size, both):
    url = "https://example.com/".ljust(size, "x")
    content = asked(url=url, mailto=TO if both else "")
    lines = content.split(b"\r\n")

    assert uris(header("List-Unsubscribe", content))[0] == url
    assert max(map(len, lines)) <= 998
    assert all(line.strip() for line in lines[: lines.index(b"")])


@pytest.mark.parametrize("size", [20, 500, 898])
def test_a_uri_that_fits_on_a_line_is_not_broken(size):
    url = "https://example.com/".ljust(size, "x")

    assert f"<{url}>".encode() in asked(url=url)


@given(st.emails())
def test_an_address_reads_back_from_its_uri(address):
    assume(not problems(draft(to=(MailboxDraft(address),))))
    local, _, domain = address.rpartition("@")
    (uri,) = uris(header("List-Unsubscribe", asked(mailto=address)))

    assert unquote(uri) == f"mailto:{local}@{domain.lower()}"
