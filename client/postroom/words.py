"""The closed sets of the contract, as bare words.

Each word is a `str` too, so that ``result.status == "SUCCESS"`` holds and JSON takes
it.  The names are those of `postroom.v1` without the name of the enumeration; a word
that a newer server made up reads as UNSPECIFIED.
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Self


class Word(StrEnum):
    """A word in capitals; any spelling makes it: `Completion("relayed-or-queued")`."""

    @staticmethod
    def _generate_next_value_(
        name: str, start: int, count: int, last_values: list[str]
    ) -> str:
        del start, count, last_values
        return name

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        return cls.__members__.get(value.upper().replace("-", "_"))


class Status(Word):
    """What became of a mail; better branch on `is_final` and `is_retryable`."""

    UNSPECIFIED = auto()
    QUEUED = auto()
    SENDING = auto()
    RETRY = auto()
    SUCCESS = auto()
    PARTIAL = auto()
    REJECTED = auto()
    FAILED = auto()
    TEMP_FAILED = auto()
    UNCERTAIN = auto()
    CANCELLED = auto()
    EXPIRED = auto()
    INVALID = auto()


class RecipientStatus(Word):
    """What became of one recipient."""

    UNSPECIFIED = auto()
    PENDING = auto()
    DEFERRED = auto()
    DELIVERED = auto()
    REFUSED = auto()
    FAILED = auto()
    TEMP_FAILED = auto()
    UNCERTAIN = auto()
    WITHHELD = auto()
    CANCELLED = auto()
    EXPIRED = auto()


class FailureReason(Word):
    """The kind of a failure; UNSPECIFIED where there is none."""

    UNSPECIFIED = auto()
    UNKNOWN = auto()
    ADDRESS_UNKNOWN = auto()
    MAILBOX_UNAVAILABLE = auto()
    SENDER_REFUSED = auto()
    POLICY = auto()
    CONTENT = auto()
    SIZE = auto()
    RATE = auto()
    AUTHENTICATION = auto()
    TLS = auto()
    NOT_SUPPORTED = auto()
    PROTOCOL = auto()
    NETWORK = auto()
    TIMEOUT = auto()
    DEADLINE = auto()
    RELAY_UNAVAILABLE = auto()
    INTERNAL = auto()


class Phase(Word):
    """A step on the way to the relay."""

    UNSPECIFIED = auto()
    QUEUE = auto()
    COMPOSE = auto()
    POOL = auto()
    DNS = auto()
    CONNECT = auto()
    TLS = auto()
    GREETING = auto()
    EHLO = auto()
    AUTH = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    BODY = auto()
    END_OF_DATA = auto()
    VRFY = auto()
    RSET = auto()
    QUIT = auto()


class AttemptOutcome(Word):
    """How an attempt ended."""

    UNSPECIFIED = auto()
    ACCEPTED = auto()
    TEMP_FAILED = auto()
    FAILED = auto()
    UNCERTAIN = auto()
    ABANDONED = auto()
    LOST = auto()
    RUNNING = auto()


class Completion(Word):
    """When the service is to answer: once relayed, or once durably accepted."""

    UNSPECIFIED = auto()
    RELAYED = auto()
    ACCEPTED = auto()
    RELAYED_OR_QUEUED = auto()


class OnUncertain(Word):
    """What to do when the relay may or may not have the mail."""

    UNSPECIFIED = auto()
    RETRY = auto()
    HOLD = auto()


class Priority(Word):
    """How urgently a mail is taken from the queue."""

    UNSPECIFIED = auto()
    BULK = auto()
    NORMAL = auto()
    URGENT = auto()


class DsnNotify(Word):
    """When the relay is to notify; NEVER stands alone."""

    UNSPECIFIED = auto()
    NEVER = auto()
    SUCCESS = auto()
    FAILURE = auto()
    DELAY = auto()


class DsnReturn(Word):
    """How much of the mail a notification returns."""

    UNSPECIFIED = auto()
    FULL = auto()
    HEADERS = auto()


class EventKind(Word):
    """What happened; values are added over time."""

    UNSPECIFIED = auto()
    ACCEPTED = auto()
    SCHEDULED = auto()
    ATTEMPT_STARTED = auto()
    DEFERRED = auto()
    DELIVERED = auto()
    REFUSED = auto()
    FAILED = auto()
    TEMP_FAILED = auto()
    UNCERTAIN = auto()
    CANCELLED = auto()
    EXPIRED = auto()
    SETTLED = auto()
    RETRY_REQUESTED = auto()


class StartPosition(Word):
    """Where events begin without a cursor."""

    UNSPECIFIED = auto()
    NOW = auto()
    BEGINNING = auto()


class Settlement(Word):
    """What became of uncertain recipients, as the caller found out."""

    UNSPECIFIED = auto()
    SEND_AGAIN = auto()
    DELIVERED = auto()
    FAILED = auto()


class CancelOutcome(Word):
    """Whether a mail was taken back, or will be if there is still time."""

    UNSPECIFIED = auto()
    CANCELLED = auto()
    PENDING = auto()


class DeliveryView(Word):
    """How much of a delivery to get: FULL has recipients and attempts."""

    UNSPECIFIED = auto()
    BASIC = auto()
    FULL = auto()


class StageResult(Word):
    """How a stage of a connection test went."""

    UNSPECIFIED = auto()
    OK = auto()
    WARNING = auto()
    FAILED = auto()
    SKIPPED = auto()


class StatsWindow(Word):
    """A span of time that was counted."""

    UNSPECIFIED = "UNSPECIFIED"
    ALL = "ALL"
    SINCE_START = "SINCE_START"
    LAST_MINUTE = "1M"
    LAST_5_MINUTES = "5M"
    LAST_60_MINUTES = "60M"


class LatencyKind(Word):
    """What was timed."""

    UNSPECIFIED = auto()
    POOL = auto()
    CONNECT = auto()
    TLS = auto()
    AUTH = auto()
    TRANSACTION = auto()
    SEND = auto()


class CloseReason(Word):
    """Why sessions with a relay were closed."""

    UNSPECIFIED = auto()
    IDLE = auto()
    AGE = auto()
    USES = auto()
    RELAY = auto()
    DEAD = auto()
    ERROR = auto()
    DRAINED = auto()


class RelayState(Word):
    """Whether mail goes to a relay; where several hold, the last is told."""

    UNSPECIFIED = auto()
    ACTIVE = auto()
    SLOWED = auto()
    LEFT_ALONE = auto()
    REFUSING = auto()
    PAUSED = auto()


class SessionState(Word):
    """What a session with a relay does."""

    UNSPECIFIED = auto()
    IDLE = auto()
    IN_USE = auto()


class Health(Word):
    """Whether the service, or one relay, can do its work."""

    UNKNOWN = auto()
    SERVING = auto()
    NOT_SERVING = auto()
    SERVICE_UNKNOWN = auto()
