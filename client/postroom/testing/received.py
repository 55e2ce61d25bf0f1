"""A mail as its recipients would see it, and as the relay got it.

It is read by the standard library, which had no part in writing it.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import getaddresses, parsedate_to_datetime
from functools import cached_property

from postroom.messages import Attachment, Mailbox
from postroom.testing._links import links_in


class Headers(Mapping[str, str]):
    """Header fields by name, whatever its case, decoded; the first of each name."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        for value in self.get_all(name):
            return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._fields))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def get_all(self, name: str) -> tuple[str, ...]:
        """All fields of that name, in order."""
        wanted = name.lower()
        return tuple(v for n, v in self._fields if n.lower() == wanted)

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"


class ReceivedMail:
    """One mail that the relay took.

    *envelope_from* and *recipients* are of the envelope: bcc is among them, and in no
    header.  *raw* are the octets as they came.
    """

    def __init__(
        self,
        envelope_from: str,
        recipients: tuple[str, ...],
        raw: bytes,
        received_at: datetime,
    ) -> None:
        self.envelope_from = envelope_from
        self.recipients = recipients
        self.raw = raw
        self.received_at = received_at

    @cached_property
    def message(self) -> EmailMessage:
        """The mail as the standard library has it, for whatever is not here."""
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @cached_property
    def headers(self) -> Headers:
        """Its header, decoded."""
        return Headers([(n, _decoded(_unfolded(v))) for n, v in self._raw_fields()])

    @property
    def subject(self) -> str:
        return self.headers.get("Subject", "")

    @property
    def message_id(self) -> str:
        return self.headers.get("Message-ID", "")

    @property
    def date(self) -> datetime:
        """When it was written, by its header."""
        return parsedate_to_datetime(self.headers["Date"])

    @property
    def from_(self) -> Mailbox:
        """The author; the first, if there are more."""
        return (*self._mailboxes("From"), Mailbox(""))[0]

    @property
    def to(self) -> tuple[Mailbox, ...]:
        return self._mailboxes("To")

    @property
    def cc(self) -> tuple[Mailbox, ...]:
        return self._mailboxes("Cc")

    @property
    def reply_to(self) -> tuple[Mailbox, ...]:
        return self._mailboxes("Reply-To")

    @cached_property
    def text(self) -> str | None:
        """The plain text, lines ended by LF alone, the last one not at all."""
        return self._body("plain")

    @cached_property
    def html(self) -> str | None:
        """The HTML, in the same manner."""
        return self._body("html")

    @cached_property
    def links(self) -> tuple[str, ...]:
        """All links, those of the HTML first, each once."""
        return links_in(self.html or "", self.text or "")

    def link(self, containing: str = "") -> str:
        """The one link that has *containing* in it.  Raises `AssertionError`."""
        __tracebackhide__ = True
        found = [link for link in self.links if containing in link]
        if len(found) != 1:
            there = "\n".join(f"  {link}" for link in self.links) or "  none"
            raise AssertionError(
                f"{len(found)} links contain {containing!r} instead of 1; there are:\n"
                f"{there}"
            )
        return found[0]

    @cached_property
    def attachments(self) -> tuple[Attachment, ...]:
        """Its files, as `Attachment` like those that were sent; inline ones too."""
        bodies = [self.message.get_body((kind,)) for kind in ("plain", "html")]
        return tuple(
            _attachment(part)
            for part in _leaves(self.message)
            if not any(part is body for body in bodies)
        )

    def __repr__(self) -> str:
        to = ", ".join(self.recipients)
        return f"<ReceivedMail {self.subject!r} from {self.envelope_from} to {to}>"

    def _raw_fields(self) -> Iterator[tuple[str, str]]:
        for name, value in self.message.raw_items():
            # Octets beyond ASCII were put aside: UTF-8 where SMTPUTF8 was used.
            octets = str(value).encode("utf-8", "surrogateescape")
            yield name, octets.decode("utf-8", "replace")

    def _mailboxes(self, name: str) -> tuple[Mailbox, ...]:
        """Read apart before names are decoded: a decoded name may hold a comma."""
        fields = [
            _unfolded(v) for n, v in self._raw_fields() if n.lower() == name.lower()
        ]
        pairs = getaddresses(fields)
        return tuple(Mailbox(address, _decoded(shown)) for shown, address in pairs)

    def _body(self, kind: str) -> str | None:
        part = self.message.get_body((kind,))
        if part is None:
            return None
        text = str(part.get_content()).replace("\r\n", "\n")
        return text.removesuffix("\n")


def _unfolded(value: str) -> str:
    return value.replace("\r", "").replace("\n", "")


def _decoded(value: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError):
        return value


def _leaves(part: Message) -> Iterator[Message]:
    """The parts that are no containers; an attached mail is one part."""
    if part.get_content_maintype() != "multipart":
        yield part
        return
    for inner in part.get_payload():
        if isinstance(inner, Message):
            yield from _leaves(inner)


def _attachment(part: Message) -> Attachment:
    return Attachment(
        filename=part.get_filename() or "",
        content_type=part.get_content_type(),
        data=_octets(part),
        inline=part.get_content_disposition() == "inline",
        content_id=str(part.get("Content-ID", "")).strip("<> "),
    )


def _octets(part: Message) -> bytes:
    if part.is_multipart():
        return b"".join(
            inner.as_bytes()
            for inner in part.get_payload()
            if isinstance(inner, Message)
        )
    octets = part.get_payload(decode=True)
    return octets if isinstance(octets, bytes) else b""
