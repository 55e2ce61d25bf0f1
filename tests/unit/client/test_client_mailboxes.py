from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom import Mailbox
from postroom._mailboxes import read_mailbox

ADDRESS = "ada@example.com"


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        (ADDRESS, Mailbox(ADDRESS)),
        (f"  {ADDRESS} ", Mailbox(ADDRESS)),
        (f"<{ADDRESS}>", Mailbox(ADDRESS)),
        (f"Ada <{ADDRESS}>", Mailbox(ADDRESS, "Ada")),
        (f"Ada  M. Lovelace<{ADDRESS}>", Mailbox(ADDRESS, "Ada  M. Lovelace")),
        (f'"Lovelace, Ada" <{ADDRESS}>', Mailbox(ADDRESS, "Lovelace, Ada")),
        (f'"say \\"hi\\" \\\\" <{ADDRESS}>', Mailbox(ADDRESS, 'say "hi" \\')),
        (f"Jürgen Grüße <{ADDRESS}>", Mailbox(ADDRESS, "Jürgen Grüße")),
        ('"a b,c"@example.com', Mailbox('"a b,c"@example.com')),
        ('Ada <"<a>"@example.com>', Mailbox('"<a>"@example.com', "Ada")),
        ("no-at-sign", Mailbox("no-at-sign")),
    ],
)
def test_one_string_is_one_mailbox(text, mailbox):
    assert read_mailbox(text) == mailbox


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a@example.com, b@example.com",
        "a@example.com b@example.com",
        "Ada <a@example.com>, Bob <b@example.com>",
        "Lovelace, Ada <a@example.com>",
        "eve@example.com <a@example.com>",
        "Ada (work) <a@example.com>",
        "Ada <a@example.com",
        "Ada a@example.com>",
        "Ada <>",
        "Ada <a@example.com> x",
        "friends: a@example.com;",
        'Ada "x" <a@example.com>',
        '"open <a@example.com>',
        "a@example.com\r\nBcc: eve@example.com",
        "Ada\r\nBcc: x <a@example.com>",
    ],
)
def test_what_is_not_one_mailbox_is_refused(text):
    with pytest.raises(ValueError, match=r"mailbox|is empty"):
        read_mailbox(text)


@given(st.text(st.characters(exclude_characters="\r\n"), min_size=1))
def test_a_quoted_name_comes_out_as_it_went_in(name):
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')

    assert read_mailbox(f'"{escaped}" <{ADDRESS}>') == Mailbox(ADDRESS, name)


@given(st.text())
def test_any_text_is_a_mailbox_or_a_value_error(text):
    try:
        mailbox = read_mailbox(text)
    except ValueError:
        return

    assert mailbox.address
    assert "\n" not in mailbox.address
