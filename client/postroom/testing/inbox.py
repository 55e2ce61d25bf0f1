"""What arrived, and assertions on it that say what did arrive when they fail.

pytest shows their failures where the test asked: `__tracebackhide__` tells it so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from postroom_server.sandbox.mailbox import Received
from postroom_server.sandbox.relay import SandboxRelay

from postroom.testing.received import ReceivedMail

PATIENCE = 5.0
"""Seconds to wait for a mail, unless a test says otherwise."""
_LISTED = 20
"""How many mails a failure lists."""

Subject = str | re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which mails: *to* is an address of the envelope, *subject* the whole of it."""

    to: str | None
    subject: Subject | None

    def fits(self, mail: ReceivedMail) -> bool:
        addresses = [address.lower() for address in mail.recipients]
        if self.to is not None and self.to.lower() not in addresses:
            return False
        if isinstance(self.subject, re.Pattern):
            return self.subject.search(mail.subject) is not None
        return self.subject in {None, mail.subject}

    def __str__(self) -> str:
        to = "" if self.to is None else f" to {self.to}"
        match self.subject:
            case None:
                about = ""
            case re.Pattern(pattern=pattern):
                about = f" with a subject like {pattern!r}"
            case subject:
                about = f" with the subject {subject!r}"
        return f"{to}{about}"


class Inbox(Sequence[ReceivedMail]):
    """The mails that the relay took, in their order; safe to use from any thread.

    Where mails are looked for, *to* is the address of a recipient (cc and bcc too) and
    *subject* the whole subject, or a compiled pattern to be found in it.
    """

    def __init__(self, relay: SandboxRelay) -> None:
        self._relay = relay

    def one(
        self,
        *,
        to: str | None = None,
        subject: Subject | None = None,
        timeout: float = PATIENCE,
    ) -> ReceivedMail:
        """The only such mail; it may take *timeout* seconds to arrive.

        Raises `AssertionError` when there is none by then, or more than one.
        """
        __tracebackhide__ = True
        found = self.wait_for(1, to=to, subject=subject, timeout=timeout)
        if len(found) > 1:
            self._fail(f"expected 1 mail{_Wanted(to, subject)}, and {len(found)} came")
        return found[0]

    def wait_for(
        self,
        count: int = 1,
        *,
        to: str | None = None,
        subject: Subject | None = None,
        timeout: float = PATIENCE,
    ) -> tuple[ReceivedMail, ...]:
        """All such mails, as soon as there are at least *count*.

        Raises `AssertionError` after *timeout* seconds.
        """
        __tracebackhide__ = True
        wanted = _Wanted(to, subject)
        if not self._relay.wait_until(_at_least(count, wanted), timeout):
            came = len(self.find(to=to, subject=subject))
            in_time = f"within {timeout:g} s"
            self._fail(f"expected {_mails(count)}{wanted} {in_time}, and {came} came")
        return self.find(to=to, subject=subject)

    def find(
        self, *, to: str | None = None, subject: Subject | None = None
    ) -> tuple[ReceivedMail, ...]:
        """Such mails as there are now."""
        wanted = _Wanted(to, subject)
        return tuple(mail for mail in self if wanted.fits(mail))

    def assert_empty(
        self, *, to: str | None = None, subject: Subject | None = None
    ) -> None:
        """Raise `AssertionError` if such a mail is there now."""
        __tracebackhide__ = True
        found = self.find(to=to, subject=subject)
        if found:
            wanted = _Wanted(to, subject)
            self._fail(f"expected no mail{wanted}, and {len(found)} came")

    def clear(self) -> None:
        """Forget what came so far."""
        self._relay.forget_mail()

    def __len__(self) -> int:
        return len(self._relay.messages)

    @overload
    def __getitem__(self, index: int) -> ReceivedMail: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ReceivedMail, ...]: ...
    def __getitem__(self, index: int | slice) -> ReceivedMail | Sequence[ReceivedMail]:
        held = self._relay.messages
        if isinstance(index, slice):
            return tuple(map(_read, held[index]))
        return _read(held[index])

    def __iter__(self) -> Iterator[ReceivedMail]:
        return map(_read, self._relay.messages)

    def __repr__(self) -> str:
        return f"<Inbox with {_mails(len(self))}>"

    def _fail(self, what: str) -> None:
        __tracebackhide__ = True
        raise AssertionError(f"{what}.\n{self._listing()}")

    def _listing(self) -> str:
        mails = tuple(self)
        if not mails:
            return "The inbox is empty."
        lines = [f"The inbox holds {_mails(len(mails))}:"]
        lines += [f"  {n}. {_line(m)}" for n, m in enumerate(mails[:_LISTED], 1)]
        if len(mails) > _LISTED:
            lines.append(f"  and {len(mails) - _LISTED} more")
        return "\n".join(lines)


def _at_least(count: int, wanted: _Wanted) -> Callable[[tuple[Received, ...]], bool]:
    # Each is read once, however often we are woken.
    known: list[bool] = []

    def enough(held: tuple[Received, ...]) -> bool:
        if len(held) < len(known):
            known.clear()
        known.extend(wanted.fits(_read(mail)) for mail in held[len(known) :])
        return sum(known) >= count

    return enough


def _read(mail: Received) -> ReceivedMail:
    return ReceivedMail(
        mail.envelope_from, mail.recipients, mail.data, mail.received_at
    )


def _line(mail: ReceivedMail) -> str:
    return f"{mail.subject!r} from {mail.envelope_from} to {', '.join(mail.recipients)}"


def _mails(count: int) -> str:
    return f"{count} mail{'' if count == 1 else 's'}"
