"""Which mail composed by its caller may be sent: it is checked, and never changed.

Every rule of `postroom.v1.RawMessage` is checked here, and every problem is found in
one go.  The header is read once, strictly, and the body block by block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from postroom_server.domain.address import Address
from postroom_server.domain.draft import RawDraft
from postroom_server.domain.limits import MB, Limits
from postroom_server.domain.lines import MAX_LINE, LineScan
from postroom_server.domain.message import RawMessage, each_once
from postroom_server.domain.octets import (
    YET_TO_COME,
    Contents,
    StoredOctets,
    blocks_of,
    size_of,
)
from postroom_server.domain.raw_header import (
    END,
    RawHeader,
    UnreadableHeader,
    parse_header,
    readable,
)
from postroom_server.domain.raw_mailboxes import mailboxes
from postroom_server.domain.validation_addresses import NULL_REVERSE_PATH, check_address
from postroom_server.domain.validation_headers import is_message_id
from postroom_server.domain.validation_problems import Problems

_REQUIRED = ("from", "date", "message-id")
# At most one of each: RFC 5322 §3.6, and what readers would choose between.
_SINGLE = (
    "sender",
    "reply-to",
    "to",
    "cc",
    "subject",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)
_HIDDEN = ("bcc", "resent-bcc")
_NOTHING_READ = RawHeader((), 0, is_ascii=True)


@dataclass(frozen=True, slots=True)
class CheckedRaw:
    """A raw mail without problems; *envelope_from* is None for the null one."""

    message: RawMessage
    envelope_from: Address | None


def check_raw(draft: RawDraft, contents: Contents, limits: Limits) -> CheckedRaw:
    """The mail that *draft* is; raises `InvalidMessage` with every problem.

    Octets that are yet to come are not looked at.
    """
    problems = Problems()
    mime, field = _mime(problems, draft, contents)
    header, scan = _NOTHING_READ, LineScan()
    authors: tuple[Address, ...] = ()
    if mime is not None and mime is not YET_TO_COME:
        reading = _Reading(problems, field, limits)
        header, scan = reading.header_and_lines(mime)
        authors = reading.authors(header)
    envelope_from = _envelope_from(problems, draft.envelope_from)
    envelope = _recipients(problems, draft.recipients, limits)
    problems.refuse()
    assert mime is not None, "a mail without problems has octets"
    message = RawMessage(
        mime=mime,
        envelope=envelope,
        authors=authors,
        subject=readable("".join(header.all("subject")))[: limits.max_subject_length],
        message_id="".join(header.all("message-id")),
        header_size=header.size,
        is_8bit=not scan.is_ascii,
        needs_smtputf8=not header.is_ascii,
    )
    return CheckedRaw(message, envelope_from)


def _mime(
    problems: Problems, draft: RawDraft, contents: Contents
) -> tuple[bytes | StoredOctets | None, str]:
    field = "raw_message.data" if draft.blob is None else "raw_message.blob"
    mime = contents[draft.blob] if draft.blob is not None else draft.data or b""
    if not size_of(mime):
        problems.add(field, "At least 1 byte is required.")
        return None, field
    return mime, field


class _Reading:
    """Looks at the octets of a mail; *field* is where they stand in the request."""

    def __init__(self, problems: Problems, field: str, limits: Limits) -> None:
        self._problems = problems
        self._field = field
        self._limits = limits

    def header_and_lines(
        self, mime: bytes | StoredOctets
    ) -> tuple[RawHeader, LineScan]:
        if size_of(mime) > self._limits.max_message_bytes:
            self._wrong(f"Larger than {self._limits.max_message_bytes / MB:g} MB.")
            return _NOTHING_READ, LineScan()
        head = _Head(self._limits.max_header_block_bytes)
        body = LineScan()
        whole = LineScan.of(head.watching(blocks_of(mime), body))
        self._judge(whole)
        return self._header(head), body

    def authors(self, header: RawHeader) -> tuple[Address, ...]:
        """Who wrote and who sent it; what is wrong with From and Sender is recorded."""
        authors = self._named("from", header)
        # Each time that it was sent again, too (RFC 5322 §3.6.6).
        again = self._named("resent-from", header)
        again += self._named("resent-sender", header)
        senders = self._named("sender", header)
        if len(senders) > 1:
            self._wrong("Its Sender header names more than one address.")
        if len(authors) > 1 and not header.all("sender"):
            # RFC 5322 §3.6.2
            self._wrong("A Sender header is required where From names several.")
        return authors + senders + again

    def _named(self, name: str, header: RawHeader) -> tuple[Address, ...]:
        found: list[Address] = []
        for value in filter(None, header.all(name)):
            found += self._mailboxes(name, value)
        return tuple(found)

    def _mailboxes(self, name: str, value: str) -> tuple[Address, ...]:
        try:
            return mailboxes(value)
        except UnreadableHeader as problem:
            self._wrong(f"Its {_title(name)} header {problem}")
            return ()

    def _judge(self, scan: LineScan) -> None:
        if scan.has_nul:
            self._wrong("NUL octets are not allowed.")
        if scan.has_bare_ends or not scan.ends_in_crlf:
            self._wrong("Every line must end in CRLF; no CR or LF may stand alone.")
        if scan.has_long_lines:
            self._wrong(f"A line is longer than {MAX_LINE} octets.")

    def _header(self, head: _Head) -> RawHeader:
        if head.is_too_large:
            most = self._limits.max_header_block_bytes
            self._wrong(f"Its header is larger than {most:,} octets.")
            return _NOTHING_READ
        try:
            header = parse_header(head.octets)
        except UnreadableHeader as problem:
            self._wrong(str(problem))
            return _NOTHING_READ
        self._check_fields(header)
        return header

    def _check_fields(self, header: RawHeader) -> None:
        for name in (*_REQUIRED, *_SINGLE, *_HIDDEN):
            problem = _count_problem(name, header.all(name))
            if problem:
                self._wrong(problem)
        if not all(map(is_message_id, filter(None, header.all("message-id")))):
            self._wrong('Its Message-ID is not of the form "<left@right>".')

    def _wrong(self, description: str) -> None:
        self._problems.add(self._field, description)


class _Head:
    """The octets of the header, cut from what goes by."""

    def __init__(self, most: int) -> None:
        self.octets = b""
        self._most = most
        self._ended = False

    @property
    def is_too_large(self) -> bool:
        return len(self.octets) > self._most

    def watching(self, blocks: Iterable[bytes], body: LineScan) -> Iterator[bytes]:
        """*blocks* as they come; what is behind the header is shown to *body*."""
        for block in blocks:
            if self._ended:
                body.feed(block)
            else:
                self._look_for_end(block, body)
            yield block

    def _look_for_end(self, block: bytes, body: LineScan) -> None:
        whole = self.octets + block
        # An empty header ends at once.
        end = 0 if whole.startswith(b"\r\n") else whole.find(END) + 2
        self._ended = end != 1
        if self._ended:
            body.feed(whole[end + 2 :])
            self.octets = whole[:end]
        else:
            self._ended = len(whole) > self._most + len(END)
            self.octets = whole[: self._most + len(END)]


def _envelope_from(problems: Problems, text: str) -> Address | None:
    if text == NULL_REVERSE_PATH:
        return None
    return check_address(problems, "raw_message.envelope_from", text)


def _recipients(
    problems: Problems, texts: tuple[str, ...], limits: Limits
) -> tuple[Address, ...]:
    most = limits.max_recipients
    field = "raw_message.recipients"
    if not texts:
        problems.add(field, "At least one recipient is required.")
    if len(texts) > most:
        count = f"{len(texts):,} recipients; at most {most:,} are allowed."
        problems.add(field, count)
    checked = (
        check_address(problems, f"{field}[{i}]", text)
        for i, text in enumerate(texts[:most])
    )
    return each_once(address for address in checked if address)


def _count_problem(name: str, values: tuple[str, ...]) -> str:
    if name in _HIDDEN:
        told = f"A {_title(name)} header would tell who gets the mail."
        return told if values else ""
    if len(values) > 1:
        return f"{_title(name)} may be there once only (RFC 5322)."
    if name in _REQUIRED and not any(values):
        return f"A {_title(name)} header is required."
    return ""


def _title(name: str) -> str:
    return {"message-id": "Message-ID", "mime-version": "MIME-Version"}.get(
        name, name.title()
    )
