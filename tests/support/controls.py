"""Who orders a transaction, for tests of the SMTP client."""

from __future__ import annotations

from collections.abc import Callable

from postroom_server.smtp.timeouts import NO_DEADLINE, Deadline
from postroom_server.smtp.transaction import Transaction


class Orders:
    """A `Control` that notes what it was asked."""

    def __init__(self, deadline: Deadline = NO_DEADLINE, *, go: bool = True) -> None:
        self.deadline = deadline
        self.passed = 0
        self.abort: Callable[[], None] = lambda: None
        self._go = go

    def pass_end_of_data(self) -> bool:
        self.passed += 1
        return self._go

    def on_abort(self, callback: Callable[[], None]) -> None:
        self.abort = callback


HELLO = b"Subject: hello\r\n\r\nHello.\r\n"


def a_mail(
    *chunks: bytes, to: tuple[str, ...] = ("ada@example.com",), **fields: object
) -> Transaction:
    """A transaction with *chunks* (a short mail when there are none)."""
    chunks = chunks or (HELLO,)
    size = sum(map(len, chunks))
    return Transaction(
        **{
            "reverse_path": "me@example.com",
            "recipients": to,
            "chunks": chunks,
            "size": size,
        }
        | fields
    )
