"""`postroom send`."""
# The options are read from the context, by the functions that know what they mean.
# ruff: noqa: ARG001

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import typer
from rich.console import Console

from postroom.arguments import SendArguments
from postroom.cli import INTERRUPTED
from postroom.cli.batch import send_batch
from postroom.cli.eml import composed
from postroom.cli.interrupts import interruptible
from postroom.cli.labels import (
    Meta,
    NeedsDsn,
    Notifies,
    OneClick,
    Returns,
    Tags,
    UnsubscribeMailto,
    UnsubscribeUrl,
)
from postroom.cli.options import (
    AllOrNone,
    At,
    Attach,
    Batch,
    BatchId,
    Bcc,
    Cc,
    Eml,
    EnvelopeFrom,
    Expire,
    From,
    Header,
    Html,
    In,
    Inline,
    MaxAttempts,
    MessageId,
    NoRetry,
    OnUncertain,
    Parallel,
    Priority,
    Relay,
    ReplyTo,
    RequestId,
    ResultFile,
    Sender,
    StripBcc,
    Subject,
    Text,
    To,
    Uncertain,
    Urgency,
    ValidateOnly,
    Wait,
    Waiting,
)
from postroom.cli.parts import PARTS, mail_of, options_of, refuse
from postroom.cli.progress import BYTES, bar
from postroom.cli.session import ExitCode, JsonFlag, Session, session
from postroom.cli.show import plain, show_result
from postroom.messages import RawMessage
from postroom.results import ValidationReport

EXAMPLES = """\b
Examples:
  postroom send --to 'Ada <ada@example.com>' --from me@example.com \\
      --subject 'The report' --text letter.txt --attach report.pdf
  echo 'It works.' | postroom send --to ada@example.com --subject Hello --text -
  postroom send --eml letter.eml
  postroom send --batch people.csv --subject 'Hello {name}' --html letter.html
"""
_ENVELOPE = frozenset({"to", "cc", "bcc", "envelope_from"})


def send(  # noqa: PLR0913  one for each option
    context: typer.Context,
    *,
    to: To = None,
    cc: Cc = None,
    bcc: Bcc = None,
    from_: From = "",
    sender: Sender = "",
    reply_to: ReplyTo = None,
    subject: Subject = "",
    text: Text = None,
    html: Html = None,
    attach: Attach = None,
    inline: Inline = None,
    header: Header = None,
    message_id: MessageId = "",
    envelope_from: EnvelopeFrom = "",
    tag: Tags = None,
    meta: Meta = None,
    unsubscribe_url: UnsubscribeUrl = "",
    unsubscribe_mailto: UnsubscribeMailto = "",
    one_click: OneClick = False,
    dsn: Notifies = None,
    dsn_return: Returns = None,
    dsn_required: NeedsDsn = False,
    eml: Eml = "",
    strip_bcc: StripBcc = False,
    batch: Batch = None,
    result: ResultFile = None,
    batch_id: BatchId = "",
    parallel: Parallel = 64,
    relay: Relay = "",
    request_id: RequestId = "",
    wait: Waiting = Wait.RELAYED,
    on_uncertain: OnUncertain = Uncertain.RETRY,
    all_or_none: AllOrNone = False,
    at: At = "",
    in_: In = "",
    expire: Expire = "",
    priority: Urgency = Priority.NORMAL,
    max_attempts: MaxAttempts = 0,
    no_retry: NoRetry = False,
    validate_only: ValidateOnly = False,
    as_json: JsonFlag = False,
) -> None:
    """Send a mail, or a batch, and tell what became of it.

    An address is 'ada@example.com' or 'Ada <ada@example.com>'.
    """
    given = context.params
    with session(context, as_json=as_json) as asked:
        if batch:
            refuse(given, ["validate_only"], beside="--batch")
            send_batch(asked, given)
            return
        refuse(given, ["result", "batch_id"], beside="a single mail")
        if not eml:
            refuse(given, ["strip_bcc"], beside="a mail that is no --eml")
            _send(asked, None, mail_of(given), validate_only=validate_only)
            return
        _check_eml(given)
        with composed(given) as raw:
            _send(asked, raw, options_of(given), validate_only=validate_only)


def _check_eml(given: Mapping[str, Any]) -> None:
    refuse(given, [name for name in PARTS if name not in _ENVELOPE], beside="--eml")


def _send(
    asked: Session,
    raw: RawMessage | None,
    mail: SendArguments,
    *,
    validate_only: bool,
) -> None:
    if validate_only:
        with bar("Uploading", BYTES) as mail["on_progress"]:
            report = asked.client.validate(raw, **mail)
        asked.show(report, _show_report)
        return
    # Made here where it was not given: who breaks off is told it.
    mail["request_id"] = mail["request_id"] or str(uuid4())
    told = _told_if_broken_off(mail["request_id"])
    with told, bar("Uploading", BYTES) as mail["on_progress"]:
        result = asked.client.send(raw, **mail)
    asked.show(result, show_result)
    if not result.ok:
        raise typer.Exit(ExitCode.NOT_DELIVERED)


@contextmanager
def _told_if_broken_off(request_id: str) -> Iterator[None]:
    """End at Ctrl-C with how to learn what became of the mail."""
    try:
        with interruptible():
            yield
    except KeyboardInterrupt as error:
        line = plain(
            "postroom: broken off, it may be sent or not: ask with"
            f" 'postroom get --request-id {request_id}', or send it again with"
            f" --request-id {request_id}"
        )
        typer.echo(line.plain, err=True)
        raise typer.Exit(INTERRUPTED) from error


def _show_report(out: Console, report: ValidationReport) -> None:
    out.print(
        plain(f"valid: {report.size_bytes} bytes from {report.envelope_from}"),
        plain(f"by {report.relay}"),
    )
    for recipient in report.recipients:
        out.print(plain(f"  {recipient.envelope_address}"))
    for warning in report.warnings:
        out.print(plain(f"  warning: {warning}"), style="yellow")
