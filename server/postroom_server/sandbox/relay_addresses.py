"""Addresses that stand for a failure, so that failures can be tried without code.

They work at any domain and with any label ("bounce+7@example.com"), in the manner of
Amazon SES's simulator:

    success          taken
    bounce           RCPT: 550 5.1.1, for good
    defer            RCPT: 451 4.7.1, always
    defer-once       RCPT: 451 4.7.1 the first time, then taken
    full             RCPT: 452 4.2.2, always
    reject-content   end of data: 554 5.6.0 for the whole mail
    lost             taken, and the link is cut instead of a reply to the end of data
"""

from __future__ import annotations

_REFUSED = {
    "bounce": "550 5.1.1 no such user here",
    "defer": "451 4.7.1 try again later",
    "full": "452 4.2.2 mailbox full",
}
_DEFERRED_ONCE = "451 4.7.1 greylisted, try again"


class Simulator:
    """Knows the addresses; remembers which of them were put off."""

    def __init__(self) -> None:
        self._deferred: set[str] = set()

    def refusal(self, address: str) -> str | None:
        """How to refuse *address*, if it stands for that."""
        name = _name_of(address)
        if name == "defer-once" and address not in self._deferred:
            self._deferred.add(address)
            return _DEFERRED_ONCE
        return _REFUSED.get(name)


def refuses_content(recipients: tuple[str, ...]) -> bool:
    """Whether the mail is to be refused at its end of data."""
    return _names(recipients, "reject-content")


def loses_reply(recipients: tuple[str, ...]) -> bool:
    """Whether the link is to be cut in place of the last reply."""
    return _names(recipients, "lost")


def _names(recipients: tuple[str, ...], name: str) -> bool:
    return any(_name_of(address) == name for address in recipients)


def _name_of(address: str) -> str:
    return address.partition("@")[0].partition("+")[0].lower()
