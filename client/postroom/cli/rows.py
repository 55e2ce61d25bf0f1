"""The rows of a batch: recipients from a CSV file, and the mail that each gets.

The first row names the columns: *to* has to be there; *name* is the recipient's name,
and *subject* takes the place of the option.  In subject, text and HTML "{column}"
stands for what the row holds there, with HTML's own characters escaped in HTML;
"{{column}}" stands for "{column}" itself, and other braces for themselves.  A file from
a spreadsheet may begin with a byte order mark.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

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
            mail["html"] = filled(html, values, html=True)
        return mail


def _subject(template: SendArguments, values: Mapping[str, str]) -> str:
    subject = values.get(SUBJECT) or filled(template.get("subject", ""), values)
    if not subject or _BROKEN.search(subject):
        raise ValueError("the subject is empty, or more than one line")
    return subject


def filled(text: str, values: Mapping[str, str], *, html: bool = False) -> str:
    """*text* with *values* for its placeholders; raises `ValueError` for others."""

    def fill(found: re.Match[str]) -> str:
        literal, name = found.groups()
        if literal:
            return f"{{{literal}}}"
        if name not in values:
            raise ValueError(f"there is no column {name!r} for {found[0]}")
        return escape(values[name]) if html else values[name]

    return _PLACEHOLDER.sub(fill, text)


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
