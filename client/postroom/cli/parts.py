"""What the options of `postroom send` say, as arguments of the SDK.

Where an option does not hold what it should, the command ends with wrong usage.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from postroom.arguments import SendArguments
from postroom.cli.labels import beside, dsn_of, pairs
from postroom.cli.options import Priority, Wait
from postroom.cli.session import unreadable
from postroom.messages import Attachment, Dsn, RetryPolicy, Unsubscribe

PARTS = (
    *("to", "cc", "bcc", "from_", "sender", "reply_to", "subject", "text", "html"),
    *("attach", "inline", "header", "envelope_from", "message_id"),
    *("unsubscribe_url", "unsubscribe_mailto", "one_click"),
)
"""The options that describe a mail; the others say what to do with it."""
# Of a slip in such a name a mail would be made, with the name as its text.
_FILE_NAME = re.compile(r"[^\s<>]+\.(?:txt|text|html?|md)", re.IGNORECASE)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"(\d{1,9})([smhd])")


def mail_of(given: Mapping[str, Any]) -> SendArguments:
    """The mail that the options *given* describe, and what to do with it."""
    mail = options_of(given)
    for name in ("to", "cc", "bcc", "reply_to"):
        mail[name] = given[name] or ()
    for name in ("from_", "sender", "subject", "envelope_from", "message_id"):
        mail[name] = given[name]  # type: ignore[literal-required]
    for name in ("text", "html"):
        if given[name] is not None:
            mail[name] = content(given[name], f"--{name}")  # type: ignore[literal-required]
    mail["attachments"] = [
        *(given["attach"] or ()),
        *map(_inline, given["inline"] or ()),
    ]
    mail["headers"] = [_header(one) for one in given["header"] or ()]
    way = Unsubscribe(
        url=given["unsubscribe_url"],
        mailto=given["unsubscribe_mailto"],
        one_click=given["one_click"],
    )
    mail.update(beside(way, Dsn()))
    return mail


def options_of(given: Mapping[str, Any]) -> SendArguments:
    """What the options *given* say is to be done with a mail."""
    options: SendArguments = {
        "relay": given["relay"],
        "request_id": given["request_id"],
        "completion": _completion(given),
        "on_uncertain": given["on_uncertain"],
        "all_recipients_or_none": given["all_or_none"],
        "retry": not given["no_retry"],
        "tags": given["tag"] or (),
        "metadata": pairs(given["meta"]),
    }
    if given["max_attempts"] and not given["no_retry"]:
        options["retry"] = RetryPolicy(max_attempts=given["max_attempts"])
    dsn = dsn_of(given["dsn"], given["dsn_return"], required=given["dsn_required"])
    options.update(beside(Unsubscribe(), dsn))
    if given["priority"] is not Priority.NORMAL:
        options["priority"] = given["priority"]
    if later := begins(given["at"], given["in_"]):
        options["send_at"] = later
    if given["expire"]:
        options["expire_at"] = expiry(given["expire"])
    return options


def begins(at: str, in_: str) -> datetime | timedelta | None:
    """When to begin, by the options --at and --in; None for now."""
    if at and in_:
        raise typer.BadParameter("--at can't be given with --in")
    if at:
        then = _time("--at", at)
        if then <= datetime.now(UTC):
            # The service takes it for now; who types a day means that day.
            hint = f"--at {at!r} is in the past; leave it out to send now"
            raise typer.BadParameter(hint)
        return then
    return _span("--in", in_) if in_ else None


def _completion(given: Mapping[str, Any]) -> Wait:
    """Nobody waits for mail that goes later, unless that was asked for."""
    wait: Wait = given["wait"]
    later = given["at"] or given["in_"]
    return Wait.ACCEPTED if later and wait is Wait.RELAYED else wait


def expiry(given: str) -> datetime | timedelta:
    """When to end, by the option --expire."""
    if _SPAN.fullmatch(given):
        return _span("--expire", given)
    return _time("--expire", given)


def refuse(given: Mapping[str, Any], names: Iterable[str], *, beside: str) -> None:
    """End with wrong usage if an option of these *names* is given."""
    for name in names:
        if given[name]:
            option = "--" + name.rstrip("_").replace("_", "-")
            raise typer.BadParameter(f"{option} can't be given with {beside}")


def content(given: str, option: str) -> str:
    """What *given* to *option* says, or the file that it names; "@@" stands for "@"."""
    if given == "-":
        return _input(option)
    if given.startswith("@@"):
        return given[1:]
    if given.startswith("@"):
        return _text_of(Path(given[1:]), option)
    if _FILE_NAME.fullmatch(given) or _is_file(given):
        return _text_of(Path(given), option)
    return given


def _is_file(given: str) -> bool:
    """Whether *given* names a file; no text with spaces or tags is taken for one."""
    if re.search(r"[\s<>]", given):
        return False
    try:
        return Path(given).is_file()
    except (OSError, ValueError):
        return False


def _text_of(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise unreadable(option, path, error) from error
    except UnicodeDecodeError as error:
        hint = f"{path} is no UTF-8 text"
        raise typer.BadParameter(hint, param_hint=option) from error


def _input(option: str) -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        hint = "the standard input is no UTF-8 text"
        raise typer.BadParameter(hint, param_hint=option) from error


def _inline(given: str) -> Attachment:
    content_id, equals, path = given.partition("=")
    if not (equals and content_id and path):
        raise typer.BadParameter(f"--inline {given!r} is not 'cid=FILE'")
    try:
        return Attachment.from_path(path, inline=True, content_id=content_id)
    except OSError as error:
        raise unreadable("--inline", path, error) from error


def _header(given: str) -> tuple[str, str]:
    name, colon, value = given.partition(":")
    if not colon:
        raise typer.BadParameter(f"--header {given!r} is not 'Name: value'")
    return name.strip(), value.strip()


def _span(option: str, given: str) -> timedelta:
    span = _SPAN.fullmatch(given)
    try:
        if span:
            return timedelta(**{_UNITS[span[2]]: int(span[1])})
    except OverflowError:
        pass
    raise typer.BadParameter(f"{option} {given!r} is no span such as 24h")


def _time(option: str, given: str) -> datetime:
    try:
        return datetime.fromisoformat(given).astimezone()
    except (ValueError, OverflowError) as error:
        advice = f"{option} {given!r} is no span such as 24h, and no time"
        if option == "--at":
            advice = f"{option} {given!r} is no time such as 2027-01-31T09:30"
        raise typer.BadParameter(advice) from error
