"""Unsubscribing: which URIs and addresses are taken, and where a problem is said to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.draft import Header, MailboxDraft, UnsubscribeDraft
from postroom_server.domain.validation_unsubscribe import MAX_URL

from tests.support.mails import checked, draft, problems

HERE = "https://example.com/u?t=1"


def wrong(*headers: Header, **fields: object) -> list[str]:
    """The fields with a problem."""
    asked = draft(unsubscribe=UnsubscribeDraft(**fields), headers=headers)
    return [field.removeprefix("message.") for field in problems(asked)]


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"url": HERE}, []),
        ({"url": HERE, "one_click": True}, []),
        ({"mailto": "leave@example.com"}, []),
        ({"url": HERE, "mailto": "leave@example.com", "one_click": True}, []),
        ({}, ["unsubscribe"]),
        ({"one_click": True}, ["unsubscribe", "unsubscribe.one_click"]),
        (
            {"mailto": "leave@example.com", "one_click": True},
            ["unsubscribe.one_click"],
        ),
        ({"mailto": "leave"}, ["unsubscribe.mailto"]),
        ({"mailto": "mailto:leave@example.com"}, ["unsubscribe.mailto"]),
        ({"mailto": "a@example.com\r\nX: y"}, ["unsubscribe.mailto"]),
        ({"url": "x", "mailto": "x"}, ["unsubscribe.url", "unsubscribe.mailto"]),
    ],
    ids=str,
)
def test_a_way_out_is_a_uri_an_address_or_both(fields, paths):
    assert wrong(**fields) == paths


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTPS://EXAMPLE.COM/",
        "https://example.com:8443/a%20b?c[]=d&e=f,g;h#i",
        "https://[2001:db8::1]/",
        "https://192.0.2.1/",
        "https://localhost/",
        "https://example.com/(a)*!$'",
    ],
)
def test_any_https_uri_is_taken(url):
    assert wrong(url=url) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/u",
        "mailto:leave@example.com",
        "javascript:alert(1)",
        "//example.com/u",
        "https:/example.com",
        "https:example.com",
        "https://",
        "https:///u",
        "https://?u",
        "https://:443/u",
        "https://example.com:0/u",
        "https://example.com:65536/u",
        "https://example.com:x/u",
        "https://user@example.com/u",
        "https://user:pass@example.com/u",
        "https://[2001:db8::1/u",
        "https://[x]/u",
        "https://exam%70le.com/u",
        "https://example..com/u",
        "https://.../u",
        "https://example.com/a b",
        "https://example.com/%",
        "https://example.com/%0",
        "https://example.com/%zz",
        "https://bücher.example/u",
        "https://example.com/ü",
        "https://example.com/>,<mailto:eve@example.net",
        'https://example.com/"',
        "https://example.com/\\",
        "https://example.com/\n",
        "https://example.com/\r\nBcc: eve@example.net",
        "https://example.com/\t",
        "https://example.com/\0",
        "https://example.com/\x7f",
        "https://example.com/\u2028",
        "https://example.com/\ud800",
        " https://example.com/",
        "https://example.com/ ",
        "<https://example.com/>",
    ],
)
def test_what_is_no_https_uri_is_refused_and_not_repeated(url):
    asked = draft(unsubscribe=UnsubscribeDraft(url=url))
    found = problems(asked)

    assert list(found) == ["message.unsubscribe.url"]
    assert "exam" not in found["message.unsubscribe.url"]


@pytest.mark.parametrize(("size", "fits"), [(2047, True), (2048, True), (2049, False)])
def test_a_uri_has_at_most_2048_octets(size, fits):
    assert MAX_URL == 2048
    assert (wrong(url="https://example.com/".ljust(size, "x")) == []) is fits


@pytest.mark.parametrize(
    "name", ["List-Unsubscribe", "list-unsubscribe", "LIST-UNSUBSCRIBE-POST"]
)
def test_a_header_of_the_caller_that_says_it_too_is_refused(name):
    headers = (Header("X-A", "1"), Header(name, "<https://example.com/x>"))

    assert wrong(*headers, url=HERE) == ["headers[1].name"]


def test_a_caller_who_writes_the_header_alone_may():
    headers = (Header("List-Unsubscribe", "<mailto:a@example.com?subject=out>"),)

    assert problems(draft(headers=headers)) == {}


@given(st.text(max_size=40))
def test_any_text_is_a_uri_of_visible_ascii_or_refused(text):
    asked = draft(unsubscribe=UnsubscribeDraft(url=f"https://example.com/{text}"))
    if problems(asked) == {}:
        url = checked(asked).message.unsubscribe.url
        assert url.isascii()
        assert not {*url} & {*' <>"\\^`{|}'}
        assert url.isprintable()


@pytest.mark.parametrize(
    ("size", "people", "warnings"),
    [(898, 1, 0), (899, 1, 1), (100, 2, 1), (899, 2, 2)],
)
def test_what_is_probably_not_meant_is_told(size, people, warnings):
    url = "https://example.com/".ljust(size, "x")
    to = tuple(MailboxDraft(f"p{n}@example.org") for n in range(people))
    valid = checked(draft(to=to, unsubscribe=UnsubscribeDraft(url=url)))

    assert len(valid.warnings) == warnings


def test_an_address_to_write_to_is_read_as_any_other():
    valid = checked(draft(unsubscribe=UnsubscribeDraft(mailto="Leave@Bücher.example")))

    assert valid.message.unsubscribe.mailto.wire == "Leave@xn--bcher-kva.example"
