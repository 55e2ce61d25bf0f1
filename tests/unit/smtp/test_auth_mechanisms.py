from __future__ import annotations

import base64

import pytest
from postroom_server.domain.secret import Secret
from postroom_server.smtp.auth import (
    CramMd5,
    Login,
    Plain,
    choose,
    decoded,
    disguises,
    encoded,
    redacted,
)

PASSWORD = Secret("tanstaaftanstaaf")


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("", ("PLAIN", "LOGIN"), "PLAIN"),
        ("", ("LOGIN", "PLAIN"), "PLAIN"),
        ("", ("CRAM-MD5", "LOGIN"), "LOGIN"),
        ("", ("CRAM-MD5",), None),
        ("", (), None),
        ("cram-md5", ("PLAIN", "CRAM-MD5"), "CRAM-MD5"),
        ("LOGIN", ("PLAIN",), None),
        ("GSSAPI", ("GSSAPI",), None),
    ],
)
def test_a_mechanism_is_chosen_by_name_or_the_first_good_one(wanted, offered, chosen):
    assert choose(wanted, offered) == chosen


def test_plain_gives_all_at_once():
    assert Plain("tim", PASSWORD).initial() == b"\0tim\0tanstaaftanstaaf"


def test_plain_answers_an_empty_challenge_with_the_same():
    assert Plain("tim", PASSWORD).answer(b"") == b"\0tim\0tanstaaftanstaaf"


@pytest.mark.parametrize("challenge", [b"Username:", b"User Name\0", b"username"])
def test_login_repeats_the_name_when_asked(challenge):
    assert Login("tim", PASSWORD).answer(challenge) == b"tim"


@pytest.mark.parametrize("challenge", [b"Password:", b"", b"pw?"])
def test_login_gives_the_password_to_any_other_question(challenge):
    assert Login("tim", PASSWORD).answer(challenge) == b"tanstaaftanstaaf"


def test_cram_md5_answers_as_in_rfc_2195():
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"

    assert (
        CramMd5("tim", PASSWORD).answer(challenge)
        == b"tim b913a602c7eda7a495b4e6e7334d3890"
    )


@pytest.mark.parametrize(("response", "text"), [(b"", ""), (b"tim", "dGlt")])
def test_a_response_is_base64_or_an_empty_line(response, text):
    assert encoded(response) == text


@pytest.mark.parametrize("lines", [[b"!!!"], [b"dGl"], [b"\xff"]])
def test_a_challenge_that_is_no_base64_is_an_error(lines):
    with pytest.raises(ValueError, match="base64"):
        decoded(lines)


def test_what_was_told_is_cut_from_what_is_said_back():
    assert redacted([b"no such dGlt, tim"], [b"dGlt", b""]) == (b"no such ***, tim",)


@pytest.mark.parametrize("around", ["", "u", "us", "use"])
def test_what_was_told_is_cut_out_of_a_longer_text_in_base64(around):
    told = base64.b64encode(f"{around}tanstaaf-tanstaaf{around}".encode())
    (said,) = redacted([told], disguises("tanstaaf-tanstaaf"))
    left = said.replace(b"***", b"")

    assert len(left) <= 4 + 8
    assert b"***" in said


def test_the_longest_that_was_told_is_cut_first():
    said = redacted([b"it was AHRpbQBwYXNz"], [b"cGFzcw==", b"AHRpbQ", b"AHRpbQBwYXNz"])

    assert said == (b"it was ***",)


def test_what_is_too_short_for_a_secret_does_not_tear_a_reply_apart():
    assert redacted([b"5.1.1 no"], [b"1", b"5.1"]) == (b"5.1.1 no",)
