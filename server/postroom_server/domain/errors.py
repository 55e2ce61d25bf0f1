"""What callers catch: every way in which we refuse a call.

An error of ours means: we took no responsibility and nothing was sent.  What became
of a mail is a value (`domain.delivery`), never an exception.  Which status code an
error has on the wire stands in `postroom_server.rpc.errors` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from postroom_server.domain.values import value


@value(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the field's path in the contract, and a sentence."""

    field: str
    description: str


class PostroomError(Exception):
    """The root.  *reason* is the bare name in `postroom.v1.ErrorReason`."""

    reason: ClassVar[str] = ""

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = metadata


class InvalidRequestError(PostroomError):
    """The request can't be accepted as it is; *problems* lists all that is wrong."""

    reason = "INVALID_REQUEST"

    def __init__(self, problems: Sequence[Problem], message: str = "") -> None:
        super().__init__(message or _summary(problems))
        self.problems = tuple(problems)


class InvalidMessage(InvalidRequestError):
    """The mail is not valid."""

    reason = "INVALID_MESSAGE"


class InvalidArgument(InvalidRequestError):
    """A field outside the mail is not valid."""

    reason = "INVALID_REQUEST"


class UnknownField(InvalidRequestError):
    """The request holds a field or enum value that this server does not know."""

    reason = "UNKNOWN_FIELD"


class MalformedRequest(PostroomError):
    """The request is no protobuf of its type, or holds text that is no UTF-8."""

    reason = "MALFORMED_REQUEST"


class StreamProtocol(PostroomError):
    """The frames of an upload are missing, doubled or out of order."""

    reason = "STREAM_PROTOCOL"


class ChecksumMismatch(PostroomError):
    """The octets that came do not have the size or SHA-256 that was announced."""

    reason = "CHECKSUM_MISMATCH"


class InvalidToken(PostroomError):
    """A page token or cursor that we did not make, or of another filter."""

    reason = "INVALID_TOKEN"


class RequestIdReused(PostroomError):
    """The request id was used with another body or method.

    Metadata *delivery* names what it made, if it made one.
    """

    reason = "REQUEST_ID_REUSED"


class NotFoundError(PostroomError):
    """Nothing of that name, or another tenant's: the two are not told apart."""

    kind: ClassVar[str] = ""

    def __init__(self, name: str) -> None:
        super().__init__(f"no such {self.kind}", name=name)
        self.name = name


class DeliveryNotFound(NotFoundError):
    reason = "DELIVERY_NOT_FOUND"
    kind = "delivery"


class RelayNotFound(NotFoundError):
    reason = "RELAY_NOT_FOUND"
    kind = "relay"


class BlobNotFound(NotFoundError):
    reason = "BLOB_NOT_FOUND"
    kind = "blob"


class PreconditionError(PostroomError):
    """The call is right and came at the wrong time; *subject* names the resource."""

    def __init__(self, message: str, subject: str = "") -> None:
        super().__init__(message)
        self.subject = subject


class TooLate(PreconditionError):
    reason = "TOO_LATE"


class NotRetryable(PreconditionError):
    reason = "NOT_RETRYABLE"


class ContentPurged(PreconditionError):
    reason = "CONTENT_PURGED"


class NoDefaultRelay(PreconditionError):
    reason = "NO_DEFAULT_RELAY"


class RelayPaused(PreconditionError):
    reason = "RELAY_PAUSED"


class SenderNotAllowed(PostroomError):
    """The caller's credential does not allow that From or envelope sender."""

    reason = "SENDER_NOT_ALLOWED"


class MethodNotAllowed(PostroomError):
    """The caller's role does not allow that method."""

    reason = "METHOD_NOT_ALLOWED"


class CredentialRefused(PostroomError):
    """No credential, or a wrong or expired one: the three are not told apart."""

    reason = "CREDENTIAL_REFUSED"


class QuotaExceeded(PostroomError):
    """The tenant has used up what it may have of *subject* ("blobs")."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, message: str, subject: str) -> None:
        super().__init__(message)
        self.subject = subject


class StoreFull(PostroomError):
    """The disk is full; an operator must act."""

    reason = "STORE_FULL"


class BusyError(PostroomError):
    """Not now; *retry_after* seconds may help."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(BusyError):
    reason = "OVERLOADED"


class RateLimited(BusyError):
    """The tenant *subject* sends faster, or more, than it may."""

    reason = "RATE_LIMITED"

    def __init__(self, message: str, subject: str, retry_after: float) -> None:
        super().__init__(message, retry_after)
        self.subject = f"tenants/{subject}"


class Draining(BusyError):
    """The process is leaving; another may answer at once."""

    reason = "DRAINING"

    def __init__(self, message: str, retry_after: float = 0.1) -> None:
        super().__init__(message, retry_after)


class NotReady(BusyError):
    """Starting, or the store is away."""

    reason = "NOT_READY"


class DeadlinePassed(PostroomError, TimeoutError):
    """The caller's time ran out before anything was sent; the delivery is withdrawn."""

    reason = "DEADLINE_PASSED"


class CursorExpired(PostroomError):
    """What followed the cursor may be gone; *oldest_cursor* is where to begin."""

    reason = "CURSOR_EXPIRED"

    def __init__(self, oldest_cursor: str) -> None:
        super().__init__(
            "the cursor is older than the events that are kept",
            oldest_cursor=oldest_cursor,
        )


class SlowConsumer(PostroomError):
    """The reader of a stream was too slow; *cursor* is where to go on."""

    reason = "SLOW_CONSUMER"

    def __init__(self, cursor: str = "") -> None:
        super().__init__(
            "the reader was too slow: go on from the last cursor", cursor=cursor
        )


class NotImplementedHere(PostroomError):
    """The method is not offered here."""

    reason = "NOT_IMPLEMENTED"


class InternalError(PostroomError):
    """A bug.  Callers get a fixed text and *incident*; the log has the traceback."""

    reason = "INTERNAL"

    def __init__(self, incident: str) -> None:
        super().__init__("internal error", incident=incident)


def _summary(problems: Sequence[Problem]) -> str:
    if not problems:
        return "invalid request"
    first = f"{problems[0].field}: {problems[0].description}"
    rest = len(problems) - 1
    return f"{first} (and {rest} more)" if rest else first
