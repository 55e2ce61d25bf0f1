"""What the sandbox relay took: in memory, and as `.eml` files where a folder is given.

A mail is whole or not there: a file is written under another name, then renamed.  The
bytes are those of the dialogue, with the dots of DATA unstuffed and nothing added.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from pathlib import Path

SLUG_LENGTH = 48
_NUMBERED = re.compile(r"(\d+)-.*\.eml")


@dataclass(frozen=True, slots=True)
class Received:
    """One mail as the relay took it.

    *envelope_from* is empty for the null reverse path; the addresses are as they came
    on the wire.  *path* is the file that holds *data*, if there is one.  *asked* are
    the parameters of DSN (RFC 3461) as they came: those of MAIL, then of each RCPT.
    """

    envelope_from: str
    recipients: tuple[str, ...]
    data: bytes
    received_at: datetime
    path: Path | None = None
    asked: tuple[tuple[str, ...], ...] = ()


class Mailbox:
    """Holds mails in the order in which they came; safe to use from any thread."""

    def __init__(self, folder: Path | None = None) -> None:
        """Keep mails in *folder* too, made if need be; numbers go on from those there.

        Raises `OSError` when the folder can't be made.
        """
        self._folder = folder
        self._messages: list[Received] = []
        self._changed = threading.Condition()
        self._number = 0
        if folder is not None:
            # It holds mail: a folder that we make is its owner's alone.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._number = max(map(_number_of, folder.iterdir()), default=0)

    @property
    def messages(self) -> tuple[Received, ...]:
        """What is held at this moment."""
        with self._changed:
            return tuple(self._messages)

    def keep(
        self,
        envelope_from: str,
        recipients: tuple[str, ...],
        data: bytes,
        asked: tuple[tuple[str, ...], ...] = (),
    ) -> Received:
        """Add a mail; it is in its file when this returns."""
        with self._changed:
            self._number += 1
            path = self._write(self._number, data)
            now = datetime.now(UTC)
            received = Received(envelope_from, recipients, data, now, path, asked)
            self._messages.append(received)
            self._changed.notify_all()
        return received

    def wait_for(self, count: int, timeout: float = 5.0) -> tuple[Received, ...]:
        """Everything held, as soon as that is at least *count* mails.

        Raises `TimeoutError` after *timeout* seconds.
        """
        if not self.wait_until(lambda held: len(held) >= count, timeout):
            held = len(self.messages)
            raise TimeoutError(f"{held} of {count} mails after {timeout} s")
        return self.messages

    def wait_until(
        self, enough: Callable[[tuple[Received, ...]], bool], timeout: float
    ) -> bool:
        """Whether what is held is *enough* within *timeout* seconds."""
        with self._changed:
            return self._changed.wait_for(
                lambda: enough(tuple(self._messages)), timeout
            )

    def clear(self) -> None:
        """Forget what is held; files stay where they are."""
        with self._changed:
            self._messages.clear()

    def _write(self, number: int, data: bytes) -> Path | None:
        if self._folder is None:
            return None
        path = self._folder / f"{number:04d}-{slug(subject_of(data))}.eml"
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(data)
        unfinished.replace(path)
        return path


def subject_of(data: bytes) -> str:
    """The Subject of the mail, decoded; empty where there is none to be read."""
    header = data.partition(b"\r\n\r\n")[0]
    try:
        raw = BytesHeaderParser().parsebytes(header)["Subject"]
        return str(make_header(decode_header(raw or "")))
    except (MessageError, LookupError, ValueError):
        return ""


def slug(subject: str) -> str:
    """*subject* as part of a file name: a-z, 0-9 and dashes, never empty."""
    plain = unicodedata.normalize("NFKD", subject).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return words[:SLUG_LENGTH].rstrip("-") or "no-subject"


def _number_of(path: Path) -> int:
    found = _NUMBERED.fullmatch(path.name)
    return int(found[1]) if found else 0
