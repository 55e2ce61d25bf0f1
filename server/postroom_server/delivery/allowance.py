"""What a relay or a tenant may be sent: messages a second, recipients a day, at once.

Messages a second are asked for before anything is claimed (`take`), and never block.
The recipients of a day are known to be enough only when the mail is known: whether some
seem to be left is asked before, and they are spent (`spend`) by who is to send it.
"""

from __future__ import annotations

from collections.abc import Callable

from postroom_server.domain.clock import MICROSECONDS, Clock
from postroom_server.domain.pacing import DAY, Limits, until_tomorrow
from postroom_server.domain.values import value
from postroom_server.outbox.quotas import Quota, Quotas
from postroom_server.outbox.tokens import Tokens

PLENTY = 1_000_000
"""Where there is no limit."""


def _all_of_it(most: int) -> int:
    return most


@value(frozen=True, slots=True)
class Gear:
    """What allowances are kept with; days are those of UTC.

    *share* tells how much of what all processes may do at once is this one's.
    """

    tokens: Tokens
    quotas: Quotas
    clock: Clock
    share: Callable[[int], int] = _all_of_it

    def day(self) -> int:
        """The number of the day."""
        return int(self.clock.now() // (DAY * MICROSECONDS))


@value(frozen=True, slots=True)
class Spent:
    """*count* recipients that were spent of a *quota*."""

    quotas: Quotas
    quota: Quota
    count: int

    def give_back(self) -> None:
        """They were not sent to."""
        self.quotas.give_back(self.quota, self.count)


class Allowance:
    """The *limits* of a relay or a tenant; *scope*, "relay:main", tells whose."""

    def __init__(self, scope: str, limits: Limits, gear: Gear) -> None:
        self._scope = scope
        self._messages = limits.messages
        self._recipients = limits.max_recipients_per_day
        self._sessions = limits.concurrent_sessions
        self._gear = gear

    @property
    def is_of_a_day(self) -> bool:
        """Whether recipients are counted by the day."""
        return self._recipients > 0

    def take(self, wanted: int) -> int:
        """Leave to start up to *wanted* mails."""
        if self._recipients:
            wanted = min(wanted, self._gear.quotas.left(self._today))
        if self._messages is not None and wanted:
            grant = self._gear.tokens.take(self._scope, self._messages, wanted)
            wanted = grant.taken
        return wanted

    def give_back(self, count: int) -> None:
        """So many were not started after all."""
        if self._messages is not None and count:
            self._gear.tokens.give_back(self._scope, self._messages, count)

    def spend(self, recipients: int) -> Spent | None:
        """Spend *recipients* of the day; None: that many are not left.

        May wait for the store, and raises what it raises.
        """
        quotas, today = self._gear.quotas, self._today
        if not self._recipients:
            return Spent(quotas, today, 0)
        enough = quotas.spend(today, recipients)
        return Spent(quotas, today, recipients) if enough else None

    def room(self, under_way: int) -> int:
        """How many more may be under way, beside those *under_way* here."""
        if not self._sessions:
            return PLENTY
        return max(0, self._gear.share(self._sessions) - under_way)

    def wait(self, ahead: int = 0, recipients: int = 1) -> float:
        """Seconds until one to *recipients* may start, behind *ahead* others."""
        if self._messages is None and not self._recipients:
            return 0.0
        waits = [0.0]
        if self._messages is not None:
            tokens = self._gear.tokens
            waits.append(tokens.wait(self._scope, self._messages, ahead))
        if self._recipients and self._gear.quotas.left(self._today) < recipients:
            waits.append(until_tomorrow(self._gear.clock.now()))
        return max(waits)

    @property
    def _today(self) -> Quota:
        return Quota(self._scope, self._gear.day(), self._recipients)
