"""Results for people: short, one line for each recipient, colours for what matters."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from postroom.results import DeliveryResult, RecipientResult
from postroom.words import FailureReason, Status, Word

_GOOD = frozenset({"SUCCESS", "DELIVERED", "ACCEPTED", "OK", "SERVING"})
_UNDER_WAY = frozenset(
    {"QUEUED", "SENDING", "RETRY", "PENDING", "DEFERRED", "RUNNING"}
    | {"WARNING", "SKIPPED"}
)


def word(value: Word) -> Text:
    """A word in the colour of its meaning."""
    if value in _GOOD:
        return Text(value, style="green")
    return Text(value, style="yellow" if value in _UNDER_WAY else "red")


def plain(value: object) -> Text:
    """Text of others, with nothing in it that moves a terminal's cursor."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in str(value)))


def when(instant: datetime | None) -> str:
    """A time as a clock on the wall shows it here."""
    if instant is None:
        return "-"
    return instant.astimezone().isoformat(sep=" ", timespec="seconds")


def table(*headings: str) -> Table:
    """An airy table without lines."""
    return Table(
        *headings,
        box=None,
        pad_edge=False,
        show_header=bool(headings),
        header_style="bold",
    )


def show_result(out: Console, result: DeliveryResult) -> None:
    """What became of a mail, and what can be done about it."""
    out.print(word(result.status), plain(result.delivery), plain(result.message_id))
    rows = table()
    for recipient in result.recipients:
        rows.add_row(
            plain(f"  {recipient.address}"), word(recipient.status), why(recipient)
        )
    if result.recipients:
        out.print(rows)
    elif result.smtp_error or result.detail:
        out.print(plain(f"  {result.smtp_error or result.detail}"))
    for note in notes(result):
        out.print(plain(f"  {note}"))


def notes(result: DeliveryResult) -> list[str]:
    """What is worth knowing beside the recipients, a line each."""
    found = []
    if result.replayed:
        found.append("this request id was used before: here is what became of it")
    if result.maybe_duplicate:
        found.append("a recipient may have got it twice")
    if result.next_attempt_at:
        found.append(f"the next attempt is at {when(result.next_attempt_at)}")
    if result.is_retryable:
        found.append(f"to go on: postroom retry {result.delivery}")
    if result.status is Status.UNCERTAIN:
        found.append(
            "the relay may have it: find out, then"
            f" postroom retry {result.delivery} --settlement ..."
        )
    return found


def why(recipient: RecipientResult) -> Text:
    """What its state comes from, in the relay's words or ours."""
    if recipient.reply or recipient.detail:
        return plain(recipient.reply or recipient.detail)
    known = recipient.reason is not FailureReason.UNSPECIFIED
    return plain(recipient.reason if known else "")
