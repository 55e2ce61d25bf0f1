"""`postroom send`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from postroom.arguments import SendArguments
from postroom.cli.labels import (
    Meta,
    NeedsDsn,
    Notifies,
    OneClick,
    Returns,
    Tags,
    UnsubscribeMailto,
    UnsubscribeUrl,
    beside,
    dsn_of,
    pairs,
)
from postroom.cli.session import ExitCode, JsonFlag, Session, session
from postroom.cli.show import plain, show_result
from postroom.messages import Unsubscribe
from postroom.results import ValidationReport

EXAMPLES = """\b
Examples:
  postroom send --to 'Ada <ada@example.com>' --from me@example.com \\
      --subject 'The report' --text @letter.txt --attach report.pdf
  echo 'It works.' | postroom send --to ada@example.com --subject Hello --text -
  postroom send --to bounce@example.com --subject Hello --text x --json
"""
Several = list[str] | None


class Wait(StrEnum):
    """When the command is to end."""

    ACCEPTED = "accepted"
    RELAYED = "relayed"
    RELAYED_OR_QUEUED = "relayed-or-queued"


To = Annotated[Several, typer.Option(help="A recipient; may repeat.")]
Cc = Annotated[Several, typer.Option(help="A recipient in Cc; may repeat.")]
Bcc = Annotated[Several, typer.Option(help="A recipient that nobody sees; may repeat.")]
From = Annotated[str, typer.Option("--from", help="The author. Default: the relay's.")]
ReplyTo = Annotated[Several, typer.Option(help="Where answers go; may repeat.")]
Subject = Annotated[str, typer.Option(help="The subject.")]
Text = Annotated[
    str | None, typer.Option(help="The text: itself, @FILE, or - for standard input.")
]
Html = Annotated[
    str | None, typer.Option(help="The HTML: itself, @FILE, or - for standard input.")
]
Attach = Annotated[
    list[Path] | None,
    typer.Option(
        exists=True, dir_okay=False, readable=True, help="A file; may repeat."
    ),
]
Header = Annotated[
    Several, typer.Option(help="A further header, 'Name: value'; may repeat.")
]
Relay = Annotated[str, typer.Option(help="The relay. Default: the default.")]
RequestId = Annotated[
    str, typer.Option(help="Repeating the command with it does nothing twice.")
]
Waiting = Annotated[
    Wait, typer.Option(help="Until the relay has it, or only until it is stored.")
]
NoRetry = Annotated[bool, typer.Option("--no-retry", help="One attempt and no more.")]
ValidateOnly = Annotated[
    bool, typer.Option("--validate-only", help="Check the mail; send nothing.")
]


def send(  # noqa: PLR0913  one for each option
    context: typer.Context,
    *,
    to: To = None,
    cc: Cc = None,
    bcc: Bcc = None,
    from_: From = "",
    reply_to: ReplyTo = None,
    subject: Subject = "",
    text: Text = None,
    html: Html = None,
    attach: Attach = None,
    header: Header = None,
    tag: Tags = None,
    meta: Meta = None,
    unsubscribe_url: UnsubscribeUrl = "",
    unsubscribe_mailto: UnsubscribeMailto = "",
    one_click: OneClick = False,
    dsn: Notifies = None,
    dsn_return: Returns = None,
    dsn_required: NeedsDsn = False,
    relay: Relay = "",
    request_id: RequestId = "",
    wait: Waiting = Wait.RELAYED,
    no_retry: NoRetry = False,
    validate_only: ValidateOnly = False,
    as_json: JsonFlag = False,
) -> None:
    """Send a mail and tell what became of it, recipient by recipient.

    An address is 'ada@example.com' or 'Ada <ada@example.com>'.
    """
    mail: SendArguments = {
        "to": to or (),
        "cc": cc or (),
        "bcc": bcc or (),
        "from_": from_,
        "reply_to": reply_to or (),
        "subject": subject,
        "attachments": attach or (),
        "headers": [_header(one) for one in header or ()],
        "tags": tag or (),
        "metadata": pairs(meta),
        "relay": relay,
        "request_id": request_id,
        "completion": wait,
        "retry": not no_retry,
    }
    way = Unsubscribe(
        url=unsubscribe_url, mailto=unsubscribe_mailto, one_click=one_click
    )
    mail.update(beside(way, dsn_of(dsn, dsn_return, required=dsn_required)))
    if text is not None:
        mail["text"] = _content(text)
    if html is not None:
        mail["html"] = _content(html)
    with session(context, as_json=as_json) as asked:
        _send(asked, mail, validate_only=validate_only)


def _send(asked: Session, mail: SendArguments, *, validate_only: bool) -> None:
    if validate_only:
        asked.show(asked.client.validate(**mail), _show_report)
        return
    result = asked.client.send(**mail)
    asked.show(result, show_result)
    if not result.ok:
        raise typer.Exit(ExitCode.NOT_DELIVERED)


def _header(given: str) -> tuple[str, str]:
    name, colon, value = given.partition(":")
    if not colon:
        raise typer.BadParameter(f"--header {given!r} is not 'Name: value'")
    return name.strip(), value.strip()


def _content(given: str) -> str:
    """What *given* says, or the file that it names; "@@" stands for "@"."""
    if given == "-":
        return _input()
    if given.startswith("@@") or not given.startswith("@"):
        return given.removeprefix("@")
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{given[1:]}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{given[1:]} is no UTF-8 text") from error


def _input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise typer.BadParameter("the standard input is no UTF-8 text") from error


def _show_report(out: Console, report: ValidationReport) -> None:
    out.print(
        plain(f"valid: {report.size_bytes} bytes from {report.envelope_from}"),
        plain(f"by {report.relay}"),
    )
    for recipient in report.recipients:
        out.print(plain(f"  {recipient.envelope_address}"))
    for warning in report.warnings:
        out.print(plain(f"  warning: {warning}"), style="yellow")
