"""What callers catch.

The fate of mail is a value (`DeliveryResult`), never an error: a refused recipient
raises nothing, unless `raise_for_outcome` is asked to.  An error whose `nothing_sent`
is true was made by the service, or before any call: nothing was sent.  After any other
it is open whether the service has the mail: repeat the call with the same
*request_id*, which can't send it twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from postroom.results import DeliveryResult
from postroom.words import Status


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong: the field's path ("message.to[0].address") and why."""

    field: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetails:
    """What is known of an error beside its message."""

    code: str = ""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    retry_after: float | None = None
    violations: tuple[Violation, ...] = ()
    nothing_sent: bool = False


class PostroomError(Exception):
    """The root of all that the client raises about a call.

    It is picklable, so that task queues can carry it.
    """

    def __init__(self, message: str, details: ErrorDetails | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or ErrorDetails()

    @property
    def code(self) -> str:
        """The gRPC status code, such as "INVALID_ARGUMENT"; empty: no call was made."""
        return self.details.code

    @property
    def reason(self) -> str:
        """The service's reason, such as "REQUEST_ID_REUSED"; empty: it gave none."""
        return self.details.reason

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the service added to its reason."""
        return self.details.metadata

    @property
    def request_id(self) -> str:
        """With which to repeat the call; empty for calls that change nothing."""
        return self.details.request_id

    @property
    def nothing_sent(self) -> bool:
        """Whether it is certain that this call sent nothing."""
        return self.details.nothing_sent

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return False


class InvalidRequest(PostroomError, ValueError):
    """The mail or the request is not valid; *violations* lists all that is wrong."""

    @property
    def violations(self) -> tuple[Violation, ...]:
        return self.details.violations

    @property
    def result(self) -> DeliveryResult:
        """The same as a result whose status is INVALID."""
        return DeliveryResult(status=Status.INVALID, is_final=True, detail=self.message)


class NotFound(PostroomError, LookupError):
    """Nothing of that name."""


class Conflict(PostroomError):
    """The request id was used with another body; metadata *delivery* names its mail."""


class FailedPrecondition(PostroomError):
    """The call is right and came at the wrong time, see `reason`."""


class ResourceExhausted(PostroomError):
    """Something is full or too large, and waiting alone does not help."""


class Unavailable(PostroomError):
    """The service can't be reached, or does not serve at the moment."""

    @property
    def retryable(self) -> bool:
        return True


class Overloaded(Unavailable):
    """The service has too much to do, is starting or is shutting down."""

    @property
    def retry_after(self) -> float | None:
        """After how many seconds to come again; None: it did not say."""
        return self.details.retry_after


class DeadlineExceeded(PostroomError, TimeoutError):
    """The time given to the call ran out."""

    @property
    def retryable(self) -> bool:
        return True


class Unauthenticated(PostroomError):
    """The service wants to know who calls."""


class PermissionDenied(PostroomError):
    """The caller may not do that."""


class Unimplemented(PostroomError):
    """The service does not offer that."""


class InternalError(PostroomError):
    """A bug of the service; metadata *incident* finds it in its log."""


class DeliveryFailed(PostroomError):
    """The mail was not, or not wholly, delivered; *result* tells the rest."""

    result: DeliveryResult

    @classmethod
    def of(cls, result: DeliveryResult) -> Self:
        """The error that says what *result* says."""
        why = str(result.smtp_error or result.detail or result.reason)
        error = cls(
            f"{result.delivery or 'the mail'}: {result.status}: {why}",
            ErrorDetails(reason=str(result.reason)),
        )
        error.result = result
        return error

    @property
    def retryable(self) -> bool:
        return self.result.is_retryable
