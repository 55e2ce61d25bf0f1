"""The options of `postroom send`; some are those of other commands too."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Several = list[str] | None


class Uncertain(StrEnum):
    """What to do when the relay may or may not have the mail."""

    RETRY = "retry"
    HOLD = "hold"


class Priority(StrEnum):
    """How urgently a mail is taken from the queue."""

    BULK = "bulk"
    NORMAL = "normal"
    URGENT = "urgent"


class Wait(StrEnum):
    """When the command is to end."""

    ACCEPTED = "accepted"
    RELAYED = "relayed"
    RELAYED_OR_QUEUED = "relayed-or-queued"


To = Annotated[
    Several, typer.Option(metavar="ADDRESS", help="A recipient; may repeat.")
]
Cc = Annotated[
    Several, typer.Option(metavar="ADDRESS", help="A recipient in Cc; may repeat.")
]
Bcc = Annotated[
    Several,
    typer.Option(metavar="ADDRESS", help="A recipient that nobody sees; may repeat."),
]
From = Annotated[
    str,
    typer.Option("--from", metavar="ADDRESS", help="The author. Default: the relay's."),
]
ReplyTo = Annotated[
    Several, typer.Option(metavar="ADDRESS", help="Where answers go; may repeat.")
]
Subject = Annotated[str, typer.Option(metavar="WORDS", help="The subject.")]
Sender = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Who sends on the author's behalf.")
]
EnvelopeFrom = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="Where bounces go; '<>': nowhere. Default: the relay's."
    ),
]
MessageId = Annotated[
    str,
    typer.Option(
        metavar="ID",
        help="The Message-ID, with its angle brackets. Default: a new one.",
    ),
]
Text = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|WORDS",
        help="The text: a FILE, @FILE, - for standard input, or itself.",
    ),
]
Html = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|WORDS",
        help="The HTML: a FILE, @FILE, - for standard input, or itself.",
    ),
]
Attach = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        help="A file; may repeat.",
    ),
]
Inline = Annotated[
    Several,
    typer.Option(
        metavar="CID=FILE", help="An image that the HTML shows as cid:CID; may repeat."
    ),
]
Header = Annotated[
    Several,
    typer.Option(metavar="HEADER", help="A further header, 'Name: value'; may repeat."),
]
Relay = Annotated[
    str, typer.Option(metavar="RELAY", help="The relay. Default: the default.")
]
RequestId = Annotated[
    str,
    typer.Option(
        metavar="ID", help="Repeating the command with it does nothing twice."
    ),
]
Waiting = Annotated[
    Wait, typer.Option(help="Until the relay has it, or only until it is stored.")
]
OnUncertain = Annotated[
    Uncertain,
    typer.Option(help="What to do when the relay may or may not have the mail."),
]
AllOrNone = Annotated[
    bool, typer.Option("--all-or-none", help="Send to all recipients or to nobody.")
]
At = Annotated[str, typer.Option(metavar="TIME", help="Send it then: a local time.")]
In = Annotated[
    str, typer.Option("--in", metavar="SPAN", help="Send it so much later: 30m, 2h.")
]
Urgency = Annotated[
    Priority, typer.Option("--priority", help="Before or after other mail that waits.")
]
Expire = Annotated[
    str,
    typer.Option(
        metavar="SPAN|TIME",
        help="Begin nothing after: 30m, 24h, 7d, or a local time. Default: 24h.",
    ),
]
MaxAttempts = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="At most so many attempts; 0: no limit."),
]
NoRetry = Annotated[bool, typer.Option("--no-retry", help="One attempt and no more.")]
ValidateOnly = Annotated[
    bool, typer.Option("--validate-only", help="Check the mail; send nothing.")
]
Eml = Annotated[
    str,
    typer.Option(
        metavar="FILE", help="Send this composed mail; -: from standard input."
    ),
]
StripBcc = Annotated[
    bool,
    typer.Option("--strip-bcc", help="Take the Bcc header out of a composed mail."),
]
Batch = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        help="A CSV file: one mail for each row, its {columns} filled in.",
    ),
]
ResultFile = Annotated[
    Path | None,
    typer.Option(
        "--result",
        metavar="FILE",
        dir_okay=False,
        help="Where the fates of a batch go. Default: beside it, .result.csv.",
    ),
]
BatchId = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Makes a batch another one. Default: from what it says."
    ),
]
Parallel = Annotated[
    int,
    typer.Option(
        min=1, max=1000, metavar="N", help="So many mails of a batch at once."
    ),
]
