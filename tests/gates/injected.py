"""Whether what relays received is what was asked for, octet by octet."""

from __future__ import annotations

import email
import re
from collections.abc import Iterable, Iterator
from email.message import Message

import grpc

from tests.gates.posting import OPTIONS, Asked
from tests.support.relays import Mail, PoliteRelay
from tests.support.scripted_relay import ScriptedRelay

HEADERS = {
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id"),
    *("mime-version", "content-type", "content-transfer-encoding"),
}
PART_HEADERS = {
    *("content-type", "content-transfer-encoding"),
    *("content-disposition", "content-id"),
}
_PATH = rb'<(?:(?:"(?:[^"\\\r\n\0]|\\[ -~])*"|[^\s"<>\0]+)@[A-Za-z0-9.-]+)?>'
_XTEXT = rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+"
_OF_MAIL = rb"SIZE=\d+|SMTPUTF8|BODY=8BITMIME|RET=(?:FULL|HDRS)|ENVID=" + _XTEXT
_OF_RCPT = rb"NOTIFY=[A-Z,]+|ORCPT=rfc822;" + _XTEXT
COMMANDS = re.compile(
    rb"EHLO \S+|MAIL FROM:%b( (%b))*|RCPT TO:%b( (%b))*"
    % (_PATH, _OF_MAIL, _PATH, _OF_RCPT)
    + rb"|DATA|BDAT \d+ LAST|RSET|NOOP|QUIT"
)
NEVER_SENT = {"tags", "metadata", "metadata[a]"}
BODIES = {"text_body", "html_body", "attachments.data"}
NOT_IN_HEADERS = re.compile("[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


def judge(
    asked: Iterable[Asked], sinks: dict[str, tuple[ScriptedRelay, PoliteRelay]]
) -> list[str]:
    """Everything that went wrong, in words."""
    found = []
    by_guard: dict[str, list[Mail]] = {}
    for name, (relay, sink) in sinks.items():
        found += _strange_commands(name, relay, sink)
        sent = sum(a.relay == name and a.code is None for a in asked)
        if sink.verbs.count("MAIL") != sent:
            found.append(f"{name}: {sink.verbs.count('MAIL')} MAIL for {sent} mails")
        for mail in sink.mails:
            by_guard.setdefault(_guard_of(mail), []).append(mail)
    for one in asked:
        mails = by_guard.pop(one.guard, [])
        found += [f"{one}: {mistake}" for mistake in _mistakes(one, mails)]
    return found + [f"nobody asked for a mail to {guard}" for guard in by_guard]


def _strange_commands(
    name: str, relay: ScriptedRelay, sink: PoliteRelay
) -> Iterator[str]:
    contents = {mail.content for mail in sink.mails}
    for piece in relay.heard:
        content = piece.removesuffix(b".\r\n") in contents or piece in contents
        if not content and not COMMANDS.fullmatch(piece):
            yield f"{name}: not a command of ours: {piece!r}"


def _guard_of(mail: Mail) -> str:
    return re.match(r"RCPT TO:<([^>]*)>", mail.recipients[0])[1]


def _mistakes(asked: Asked, mails: list[Mail]) -> Iterator[str]:
    if asked.code is not None:
        yield from _refusal_mistakes(asked, mails)
    elif len(mails) == 1:
        yield from _mail_mistakes(asked, mails[0])
    else:
        yield f"{len(mails)} mails"


def _refusal_mistakes(asked: Asked, mails: list[Mail]) -> Iterator[str]:
    if asked.code is not grpc.StatusCode.INVALID_ARGUMENT:
        yield f"refused with {asked.code}"
    if mails:
        yield "refused, and sent"
    outer, _, inner = asked.field.partition(".")
    place = re.compile(rf"message\.{outer}(\[\d\])?(\.{inner or '-'})?")
    if asked.field in OPTIONS:
        place = re.compile(rf"{re.escape(asked.field)}(\[\d\])?")
    if not asked.refused or not all(map(place.fullmatch, asked.refused)):
        yield f"refused for {sorted(asked.refused or ())}"


def _mail_mistakes(asked: Asked, mail: Mail) -> Iterator[str]:
    in_the_mail = asked.field not in (*BODIES, *NEVER_SENT)
    if in_the_mail and NOT_IN_HEADERS.search(asked.text):
        yield "taken, with a control character"
    content = mail.content
    if asked.relay == "data":
        content = content.replace(b"\r\n..", b"\r\n.")
    if BARE.search(content):
        yield "a bare CR, LF or NUL"
    if len(mail.recipients) != asked.recipients:
        yield f"sent to {mail.recipients}"
    if asked.field == "bcc.address" and asked.text.encode() in content:
        yield "a hidden recipient is shown"
    yield from _header_mistakes(asked, email.message_from_bytes(content))


def _header_mistakes(asked: Asked, message: Message) -> Iterator[str]:
    own = {
        "headers.name": {asked.text.lower()},
        "headers.value": {"x-a"},
        "unsubscribe.url": {"list-unsubscribe"},
        "unsubscribe.mailto": {"list-unsubscribe"},
    }
    names = list(map(str.lower, message.keys()))
    if not set(names) <= HEADERS | own.get(asked.field, set()):
        yield f"headers {names}"
    if len(names) != len(set(names)):
        yield f"a header twice: {names}"
    for part in list(message.walk())[1:]:
        if not set(map(str.lower, part.keys())) <= PART_HEADERS:
            yield f"headers of a part {part.keys()}"
