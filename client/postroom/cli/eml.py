"""A composed mail from a file, with the envelope that its header suggests.

What the options say about the envelope goes before the header: recipients are else
those of To, Cc and Bcc, and bounces go to Return-Path, Sender or From, the first there
is.  The mail is sent as it is but for two things.  A file with the line ends of Unix
gets CRLF, which is what such a file stands for.  And a Bcc header, which each recipient
would see, has to be taken out: on demand, since that changes the mail.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from email.headerregistry import Address
from email.message import Message
from email.parser import HeaderParser
from email.policy import default
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import typer

from postroom._mailboxes import read_mailbox
from postroom.cli.session import unreadable
from postroom.messages import RawMessage

MAX_HEADER = 1_048_576
"""Bytes; services take less."""
PIECE = 65_536
_BCC = re.compile(rb"(?ims)^bcc[ \t]*:.*?(?:\n(?![ \t])|\Z)")
_NULL = "<>"


@contextmanager
def composed(given: Mapping[str, Any]) -> Iterator[RawMessage]:
    """The mail of the option --eml, for the length of a ``with`` block.

    Where the mail or its envelope can't be read, the command ends with wrong usage.
    """
    with ExitStack() as files:
        file = _opened(given["eml"], files)
        header = _header(file)
        read = _parsed(header)
        sent = header
        if "bcc" in read:
            if not given["strip_bcc"]:
                raise typer.BadParameter(
                    "the mail has a Bcc header, which its recipients would see:"
                    " --strip-bcc takes it out"
                )
            sent = _BCC.sub(b"", header)
        copy = files.enter_context(TemporaryFile())
        _copy(sent, file, copy)
        yield RawMessage(
            copy,
            given["envelope_from"] or _sender(read),
            _named(given) or _recipients(read),
        )


def _opened(name: str, files: ExitStack) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return files.enter_context(open(name, "rb"))  # noqa: PTH123  as it was typed
    except OSError as error:
        raise unreadable("--eml", name, error) from error


def _header(file: BinaryIO) -> bytes:
    """The header of the mail in *file*, with the empty line that ends it."""
    header = b""
    while len(header) <= MAX_HEADER:
        line = file.readline(PIECE)
        header += line
        if line in {b"\r\n", b"\n", b""}:
            return header
    raise typer.BadParameter("this is no mail: its header has no end")


def _parsed(header: bytes) -> Message:
    try:
        return HeaderParser(policy=default).parsestr(header.decode())
    except UnicodeDecodeError as error:
        raise typer.BadParameter("the mail's header is no UTF-8 text") from error


def _copy(header: bytes, body: BinaryIO, copy: BinaryIO) -> None:
    """Write the mail to *copy*, with CRLF if its header has none."""
    unix = b"\r" not in header
    copy.write(header.replace(b"\n", b"\r\n") if unix else header)
    while piece := body.read(PIECE):
        copy.write(piece.replace(b"\n", b"\r\n") if unix else piece)
    copy.seek(0)


def _named(given: Mapping[str, Any]) -> Sequence[str]:
    named = [one for name in ("to", "cc", "bcc") for one in given[name] or ()]
    try:
        return [read_mailbox(one).address for one in named]
    except ValueError as error:
        raise typer.BadParameter(f"a recipient {error}") from error


def _recipients(read: Message) -> Sequence[str]:
    found = [
        address.addr_spec
        for name in ("to", "cc", "bcc")
        for address in _addresses(read, name, "the recipients by --to")
    ]
    if not found:
        raise typer.BadParameter("the mail names no recipient: give them by --to")
    return found


def _sender(read: Message) -> str:
    for name in ("return-path", "sender", "from"):
        if name == "return-path" and str(read.get(name, "")).strip() == _NULL:
            return _NULL
        for address in _addresses(read, name, "--envelope-from"):
            return address.addr_spec
    raise typer.BadParameter("the mail names no sender: give --envelope-from")


def _addresses(read: Message, name: str, remedy: str) -> Iterator[Address]:
    for value in read.get_all(name, []):
        # Return-Path has no parser of its own.
        field: Any = value
        if not hasattr(field, "addresses"):
            field = default.header_factory("from", str(value))
        if any(not address.domain for address in field.addresses):
            raise typer.BadParameter(f"{name} of the mail can't be read: give {remedy}")
        yield from field.addresses
