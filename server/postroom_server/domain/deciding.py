"""Which recipient decided the status of a delivery, and so its reason and reply.

The order is that of the table above `postroom.v1.DeliveryStatus`, read on for a
PARTIAL delivery: its failure is the one that would have been the status if nobody had
got the mail.
"""

from __future__ import annotations

from collections.abc import Sequence

from postroom_server.domain.delivery import DeliveryStatus, Recipient, RecipientStatus


def deciding_recipient(
    status: DeliveryStatus, recipients: Sequence[Recipient]
) -> Recipient | None:
    """The recipient whose failure made the delivery's status *status*.

    Of equals the first counts, and for RETRY the last that was put off.  None: no
    failure did (SUCCESS, QUEUED, SENDING).
    """
    ranks = _RANKS.get(status, _BY_FAILURE)
    failed = [r for r in recipients if r.status in ranks]
    if status is DeliveryStatus.RETRY:
        failed.reverse()
    return min(failed, key=lambda r: ranks[r.status], default=None)


_BY_FAILURE = {
    RecipientStatus.UNCERTAIN: 0,
    RecipientStatus.TEMP_FAILED: 1,
    RecipientStatus.EXPIRED: 2,
    RecipientStatus.CANCELLED: 3,
    RecipientStatus.FAILED: 4,
    RecipientStatus.REFUSED: 5,
    RecipientStatus.WITHHELD: 6,
}
# Not over: what has failed so far decides nothing.
_RANKS: dict[DeliveryStatus, dict[RecipientStatus, int]] = {
    DeliveryStatus.QUEUED: {},
    DeliveryStatus.SENDING: {},
    DeliveryStatus.RETRY: {RecipientStatus.DEFERRED: 0},
}
