"""Tokens for relays that log us in by OAuth: asked for at each connect, never kept.

Who keeps tokens fresh is the source, a command or a file of the operator's.  It may
hang, so it is asked on a thread of its own, with a time-out; callers who connect at
once share one answer, so a relay has at most one such thread.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.secret import Secret
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.timeouts import DeadlineSource, Wait

MAX_TOKEN = 8192
"""Octets; with a user name it still fits a line (RFC 4954 §4: 12288, as base64)."""
# RFC 6750 §2.1.  Nothing in it can end a line or begin another field.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


_GRACE = 1.0
"""Seconds beyond its own time in which a source says itself that it was too slow."""


class NoToken(Exception):
    """There is no token to be had; the text says why, without any of it."""

    reason = FailureReason.AUTHENTICATION


class TokenTimeout(NoToken):
    """The source did not answer in time."""

    reason = FailureReason.TIMEOUT


class TokenSource(Protocol):
    """Where tokens come from."""

    def read(self) -> str:
        """What it gives now, within a time of its own.  Raises `NoToken`."""

    def stop(self) -> None:
        """Let `read` end soon, and for good."""


@dataclass(slots=True, eq=False)
class _Asking:
    done: threading.Event = field(default_factory=threading.Event)
    token: Secret | None = None
    problem: NoToken = field(default_factory=lambda: NoToken("the source failed"))


class Tokens:
    """The tokens of one relay; safe for any number of threads."""

    def __init__(self, source: TokenSource, timeout: float) -> None:
        """*timeout* is how long *source* takes at most, in seconds."""
        self._source = source
        self._timeout = timeout
        self._lock = threading.Lock()
        self._asking: _Asking | None = None

    def ask(self, deadline: DeadlineSource) -> Secret:
        """A token, asked for now, or for somebody else a moment ago.

        Raises `SessionError`: AUTHENTICATION for a source that gives none.
        """
        wait = Wait(self._timeout + _GRACE, deadline)
        asking = self._begin()
        while not asking.done.wait(wait.pause()):
            if wait.remaining() <= 0:
                detail = "the source of tokens took too long"
                raise SessionError(Phase.AUTH, wait.reason, detail)
        if asking.token is None:
            raise _failure(asking.problem)
        return asking.token

    def close(self) -> None:
        """Give up what is being asked, for good."""
        self._source.stop()

    def __repr__(self) -> str:
        return "<Tokens>"

    def _begin(self) -> _Asking:
        with self._lock:
            if self._asking is None:
                asking = _Asking()
                _start(lambda: self._read(asking))
                self._asking = asking
            return self._asking

    def _read(self, asking: _Asking) -> None:
        try:
            asking.token = Secret(checked(self._source.read()))
        except NoToken as none:
            asking.problem = none
        finally:
            with self._lock:
                self._asking = None
            asking.done.set()


def checked(text: str) -> str:
    """The token that *text* is, spaces around it aside.  Raises `NoToken`."""
    token = text.strip()
    if not token:
        raise NoToken("the source of tokens gave nothing")
    if len(token) > MAX_TOKEN:
        raise NoToken(f"the token is longer than {MAX_TOKEN} octets")
    if not _TOKEN.fullmatch(token):
        raise NoToken("what the source gave is no token (RFC 6750)")
    return token


def _start(target: Callable[[], None]) -> None:
    try:
        threading.Thread(target=target, name="postroom-token", daemon=True).start()
    except RuntimeError as error:
        raise _failure(NoToken("no thread to ask for a token")) from error


def _failure(problem: NoToken) -> SessionError:
    return SessionError(Phase.AUTH, problem.reason, str(problem))
