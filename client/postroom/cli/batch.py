"""`postroom send --batch`: one mail for each row of a CSV file.

Every row is checked before the first is sent.  The request id of a row follows from
the batch and from what the row holds, and the result file tells which rows are done
with: a batch that is broken off goes on when the command is run again, and nobody gets
it twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import typer

from postroom._sources import source_of
from postroom.arguments import SendArguments
from postroom.cli import INTERRUPTED
from postroom.cli.interrupts import interruptible
from postroom.cli.ledger import Ledger, Line, NoLedger
from postroom.cli.parts import mail_of, refuse
from postroom.cli.progress import MAILS, bar
from postroom.cli.rows import BadRows, Row, checked, rows_of
from postroom.cli.session import ExitCode, Session, json_text, unreadable
from postroom.cli.show import plain
from postroom.client import Client
from postroom.errors import InvalidRequest, Unavailable
from postroom.many import Sent
from postroom.messages import Attachment, Progress

MOST_TOLD = 20
"""Bad rows that are named one by one."""
_BY_ROW = ("to", "cc", "bcc", "eml", "strip_bcc", "request_id", "message_id")
_GOOD = frozenset({"SUCCESS", "QUEUED", "SENDING", "RETRY"})
_Key: TypeAlias = tuple[int, str]
"""The line of a row, and its request id."""


class _Batch:
    """A batch that is being sent; *counts* is by status."""

    def __init__(self, client: Client, template: SendArguments, ledger: Ledger) -> None:
        self.counts: Counter[str] = Counter()
        self.skipped = 0
        self.over = False
        self.broken_off = False
        self._client = client
        self._template = template
        self._ledger = ledger

    def send_all(
        self, rows: Iterable[tuple[Row, str]], total: int, parallel: int
    ) -> None:
        """Send to all *rows* that are not done with, so many at once.

        Ends early, with *over* set, when the service is away, and with *broken_off*
        set at Ctrl-C.
        """
        with bar("Sending", MAILS) as progress:
            mails = self._mails(rows, partial(_show, progress, total))
            try:
                with interruptible():
                    for sent in self._client.send_many(mails, window=parallel):
                        line = self._line(sent)
                        self._ledger.write(line)
                        self.counts[line.status] += 1
            except Unavailable:
                self.over = True
            except KeyboardInterrupt:
                self.broken_off = True

    def _mails(
        self, rows: Iterable[tuple[Row, str]], show: Callable[[int], object]
    ) -> Iterator[tuple[_Key, SendArguments]]:
        """The mails of *rows* that are not done with, until it is over."""
        known = set(self._ledger.done)
        for done, (row, request_id) in enumerate(rows):
            show(done)
            if self.over:
                return
            if request_id in known:
                self.skipped += 1
                continue
            known.add(request_id)
            mail = row.mail(self._template)
            mail["request_id"] = request_id
            yield (row.line, request_id), mail

    def _line(self, sent: Sent[_Key]) -> Line:
        named = partial(Line, *sent.key)
        error, result = sent.error, sent.result
        if isinstance(error, InvalidRequest):
            return named("INVALID", detail=str(error))
        if result is None:
            self.over = self.over or isinstance(error, Unavailable)
            return named("ERROR", detail=str(error))
        why = "" if result.ok else str(result.smtp_error or result.detail)
        return named(result.status, result.delivery, why)


def _show(progress: Progress | None, total: int, done: int) -> None:
    if progress:
        progress(done, total)


def send_batch(asked: Session, given: Mapping[str, Any]) -> None:
    """Send to all rows of the file that the options *given* name."""
    refuse(given, _BY_ROW, beside="--batch")
    path: Path = given["batch"]
    result: Path = given["result"] or path.with_suffix(".result.csv")
    template = mail_of(given)
    if isinstance(template.get("expire_at"), timedelta):
        raise typer.BadParameter("--expire has to be a time: a batch may be run again")
    if isinstance(template.get("send_at"), timedelta):
        raise typer.BadParameter("give --at, not --in: a batch may be run again")
    try:
        total = checked(path, template)
        name = given["batch_id"] or _digest(template)
        rows = _identified(path, name)
        with Ledger(result) as ledger:
            _check_ledger(ledger, path, name, result)
            batch = _Batch(asked.client, template, ledger)
            batch.send_all(rows, total, given["parallel"])
    except BadRows as bad:
        _tell_bad(bad)
        raise typer.Exit(ExitCode.INVALID) from bad
    except NoLedger as error:
        hint = f"{result} holds something else"
        raise typer.BadParameter(hint, param_hint="--result") from error
    except OSError as error:
        option = "--result" if error.filename == str(result) else None
        raise unreadable(option, error.filename, error) from error
    _sum_up(asked, batch, total, result)


def _check_ledger(ledger: Ledger, path: Path, batch: str, result: Path) -> None:
    """End if those who have mail would get it again, as rows of another batch."""
    if ledger.done and ledger.done.isdisjoint(i for _, i in _identified(path, batch)):
        raise typer.BadParameter(
            f"{result} is of another batch, with other words, options or rows:"
            " repeat that command as it was, or give --result FILE for this one"
        )


def _identified(path: Path, batch: str) -> Iterator[tuple[Row, str]]:
    """The rows, each with its request id."""
    for row in rows_of(path):
        said = json.dumps([batch, sorted(row.values.items())])
        yield row, f"batch-{sha256(said.encode()).hexdigest()[:40]}"


def _digest(template: SendArguments) -> str:
    """What a batch is known by that has no name: all that its mails have in common."""
    said = sha256()
    for name, value in sorted(template.items()):
        said.update(f"{name}={value!r}\0".encode(errors="surrogatepass"))
    for attached in template.get("attachments", ()):
        file = (
            attached
            if isinstance(attached, Attachment)
            else Attachment.from_path(attached)
        )
        with closing(source_of(file.data)) as source:
            said.update(source.digest())
    return said.hexdigest()


def _tell_bad(bad: BadRows) -> None:
    for problem in bad.problems[:MOST_TOLD]:
        typer.echo(plain(f"postroom: {problem}").plain, err=True)
    more = len(bad.problems) - MOST_TOLD
    if more > 0:
        typer.echo(f"postroom: and {more} more", err=True)
    typer.echo("postroom: nothing was sent", err=True)


def _sum_up(asked: Session, batch: _Batch, total: int, result: Path) -> None:
    """Tell how many came to what, and end with what that means."""
    counts = dict(sorted(batch.counts.items()))
    if asked.json:
        told = {"rows": total, "skipped": batch.skipped, "statuses": counts}
        typer.echo(json_text({**told, "result": str(result)}))
    else:
        for status, count in counts.items():
            asked.out.print(plain(f"{count:6} {status}"))
        if batch.skipped:
            asked.out.print(plain(f"{batch.skipped:6} skipped, as they are done with"))
        asked.out.print(plain(f"each row's fate is in {result}"))
    if batch.broken_off:
        typer.echo(
            "postroom: broken off: run it again to go on; what was under way may be"
            " sent or not, and nobody gets it twice",
            err=True,
        )
        raise typer.Exit(INTERRUPTED)
    if batch.over:
        typer.echo("postroom: the service is away: run it again to go on", err=True)
    if batch.over or "ERROR" in counts:
        raise typer.Exit(ExitCode.ERROR)
    if counts.keys() - _GOOD:
        raise typer.Exit(ExitCode.NOT_DELIVERED)
