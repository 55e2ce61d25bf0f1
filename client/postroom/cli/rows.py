"""The rows of a batch: recipients from a CSV file, and the mail that each gets.

The first row names the columns: *to* has to be there; *name* is the recipient's name,
and *subject* takes the place of the option.  In subject, text, HTML and the URI to
unsubscribe "{column}" stands for what the row holds there, escaped as HTML and URIs ask
for; "{{column}}" stands for "{column}" itself, and other braces for themselves.  A file
from a spreadsheet may begin with a byte order mark.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from urllib.parse import quote

from postroom._mailboxes import read_mailbox
from postroom.arguments import SendArguments
from postroom.messages import Mailbox

TO, NAME, SUBJECT = "to", "name", "subject"
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")
_BROKEN = re.compile(r"[\r\n\0]")


class BadRows(Exception):
    """A batch that can't be sent; *problems* has a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Row:
    """One row, which ends at that *line* of the file."""

    line: int
    columns: Sequence[str]
    cells: Sequence[str]

    @property
    def values(self) -> Mapping[str, str]:
        """The cells by their columns; raises `ValueError` if these are not as many."""
        if len(self.cells) != len(self.columns):
            cells, columns = len(self.cells), len(self.columns)
            raise ValueError(f"{cells} cells for {columns} columns")
        return dict(zip(self.columns, self.cells, strict=True))

    def mail(self, template: SendArguments) -> SendArguments:
        """The mail for it; raises `ValueError` that says what is wrong with the row."""
        mail, values = template.copy(), self.values
        recipient = read_mailbox(values[TO])
        if "@" not in recipient.address:
            raise ValueError(f"to: {values[TO]!r} is no address")
        name = values.get(NAME, "").strip() or recipient.name
        mail["to"] = Mailbox(recipient.address, name)
        mail["subject"] = _subject(template, values)
        if isinstance(text := mail.get("text"), str):
            mail["text"] = filled(text, values)
        if isinstance(html := mail.get("html"), str):
            mail["html"] = filled(html, values, escape)
        if way := mail.get("unsubscribe"):
            url = filled(way.url, values, _in_a_uri)
            mail["unsubscribe"] = replace(way, url=url)
        return mail


def _subject(template: SendArguments, values: Mapping[str, str]) -> str:
    subject = values.get(SUBJECT) or filled(template.get("subject", ""), values)
    if not subject or _BROKEN.search(subject):
        raise ValueError("the subject is empty, or more than one line")
    return subject


def filled(
    text: str, values: Mapping[str, str], spell: Callable[[str], str] = str
) -> str:
    """*text* with *values*, as *spell* has them, for its placeholders.

    Raises `ValueError` for a placeholder without a value.
    """

    def fill(found: re.Match[str]) -> str:
        literal, name = found.groups()
        if literal:
            return f"{{{literal}}}"
        if name not in values:
            raise ValueError(f"there is no column {name!r} for {found[0]}")
        return spell(values[name])

    return _PLACEHOLDER.sub(fill, text)


def _in_a_uri(value: str) -> str:
    return quote(value, safe="")


def checked(path: Path, template: SendArguments) -> int:
    """How many rows there are; raises `BadRows` if one can't be sent."""
    problems: list[str] = []
    count = 0
    for row in rows_of(path):
        count += 1
        try:
            row.mail(template)
        except ValueError as error:
            problems.append(f"line {row.line}: {error}")
    if problems or not count:
        raise BadRows(problems or ["there are no rows"])
    return count


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of the file at *path*; raises `BadRows` if it is no such file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            columns = _columns(next(reader, []))
            for cells in reader:
                if cells:
                    yield Row(reader.line_num, columns, cells)
        except csv.Error as error:
            raise BadRows([f"line {reader.line_num}: {error}"]) from error
        except UnicodeDecodeError as error:
            raise BadRows([f"{path} is no UTF-8 text"]) from error


def _columns(cells: Sequence[str]) -> Sequence[str]:
    columns = [cell.strip() for cell in cells]
    if TO not in columns:
        raise BadRows([f"line 1: there is no column {TO!r}: the first row names them"])
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise BadRows([f"line 1: a column {twice[0]!r} is there twice"])
    return columns
