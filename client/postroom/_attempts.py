"""One call, from its first attempt to its answer or its error.

All that is decided between two attempts is decided here, for every kind of client:
they only make the attempts, and the pauses.  The log tells of neither mail nor address.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from postroom._calls import request_id_of
from postroom._failures import (
    Asked,
    Failure,
    error_of,
    hint_of,
    is_handshake,
    is_refused,
    leaves_doubt,
)
from postroom._problems import time_allowed
from postroom._retry import REAL, Persistence, Surroundings
from postroom._tokens import Metadata, Token
from postroom._trace import call_metadata, trace_metadata
from postroom.arguments import CallArguments
from postroom.errors import PostroomError

TIMEOUT = 90.0
MAX_ATTEMPTS = 4
HEALTH_TIMEOUT = 5.0

NO_TOKEN = Token()

logger = logging.getLogger("postroom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for all calls of a client; *timeout* is in seconds."""

    target: str
    timeout: float = TIMEOUT
    max_attempts: int = MAX_ATTEMPTS
    token: Token = NO_TOKEN
    surroundings: Surroundings = REAL

    def call(self, request: Message, given: CallArguments) -> Attempts:
        """The attempts of a call with *request*; its time begins now."""
        return Attempts(self, given, request_id_of(request))

    def repeatable(self, given: CallArguments) -> Attempts:
        """The attempts of a call that may be made twice without a request id."""
        return Attempts(self, given)

    def persistence(self, given: CallArguments) -> Persistence:
        """The attempts at a part of a call; its time begins now."""
        timeout = given.get("timeout")
        allowed = self.timeout if timeout is None else time_allowed(timeout)
        return Persistence(allowed, self.max_attempts, self.surroundings)

    def once(self, given: CallArguments) -> Attempts:
        """The one attempt of a call that is not made again; its time begins now."""
        return Attempts(replace(self, max_attempts=1), given)


class Attempts:
    """The attempts of one call."""

    def __init__(
        self, terms: Terms, given: CallArguments, request_id: str = ""
    ) -> None:
        """Begin the call; *request_id* is empty where it changes nothing."""
        self._persistence = terms.persistence(given)
        self._asked = Asked(target=terms.target, request_id=request_id)
        self._names = (
            *trace_metadata(given.get("traceparent")),
            *call_metadata(request_id),
        )
        self._token = terms.token
        self._handshake: Failure | None = None

    @property
    def metadata(self) -> Metadata:
        """What the attempt carries; each asks for its token."""
        return (*self._names, *self._token.metadata())

    def begin(self) -> float:
        """Begin an attempt; returns how many seconds it may take."""
        return self._persistence.begin()

    def delay_after(self, failure: Failure) -> float | None:
        """How long to wait after *failure*; None: there is to be no more attempt."""
        self._note(failure)
        delay = self._persistence.delay_after(hint_of(failure))
        if delay is not None:
            attempt = self._persistence.attempts
            logger.debug("unavailable at attempt %d, again in %.2f s", attempt, delay)
        return delay

    def error_of(self, failure: Failure) -> PostroomError:
        """The error that ends the call with *failure*, the last one."""
        self._note(failure)
        # A name can stand for several addresses, as localhost does, of which one alone
        # has the service; the library tells of the last that it tried.
        told = self._handshake if is_refused(failure) else None
        return error_of(told or failure, self._asked)

    def _note(self, failure: Failure) -> None:
        """Remember doubt, which what a later attempt hears does not end."""
        if is_handshake(failure):
            self._handshake = failure
        if leaves_doubt(failure):
            self._asked = replace(self._asked, in_doubt=True)
