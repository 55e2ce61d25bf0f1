"""The recipients of a day, in a store; written in the commits of everything else."""

from __future__ import annotations

from typing import Any

from postroom_server.outbox.committer import Committer
from postroom_server.outbox.quotas import Quota, Taken, granted
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.statements import Connection, statement
from postroom_server.outbox.work import Work


class StoredQuotas:
    """A `QuotaStore`."""

    def __init__(self, committer: Committer, readers: Readers) -> None:
        self._committer = committer
        self._readers = readers

    def take(self, quota: Quota, least: int, most: int) -> Taken:
        """Use some of it; see `QuotaStore.take`."""
        return self._committer.run(_Take(quota, least, most))

    def give_back(self, quota: Quota, count: int) -> None:
        """So many were not used; see `QuotaStore.give_back`."""
        self._committer.run(_Return(quota, count))

    def left(self, quota: Quota) -> int:
        """How many there are; see `QuotaStore.left`."""
        values = {"scope": quota.scope, "day": quota.day}
        with self._readers.lend() as connection:
            rows = connection.execute(statement("quota_used"), values).fetchall()
        used = sum(int(count) for (count,) in rows)
        return max(0, quota.most - used)


class _Take(Work[Taken]):
    def __init__(self, quota: Quota, least: int, most: int) -> None:
        super().__init__()
        self.locks = f"quota {quota.scope}"
        self._quota = quota
        self._bounds = (least, most)

    def perform(self, connection: Connection, /) -> Taken:
        quota = self._quota
        values = {"scope": quota.scope, "day": quota.day}
        ((used,),) = connection.execute(statement("open_quota"), values).fetchall()
        count = granted(quota, used, *self._bounds)
        use = {"scope": quota.scope, "count": count}
        connection.execute(statement("use_quota"), use)
        return Taken(count, max(0, quota.most - used - count))

    def undone(self, result: Taken, /) -> list[Work[Any]]:
        return [_Return(self._quota, result.count)] if result.count else []


class _Return(Work[None]):
    def __init__(self, quota: Quota, count: int) -> None:
        super().__init__()
        self.locks = f"quota {quota.scope}"
        self._values = {"scope": quota.scope, "day": quota.day, "count": count}

    def perform(self, connection: Connection, /) -> None:
        connection.execute(statement("return_quota"), self._values)
