"""A relay on the loopback that keeps what it receives and fails when told to.

It is a real SMTP server with one thread of its own: PIPELINING, CHUNKING, SIZE,
8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, and STARTTLS or implicit TLS and AUTH where
configured.  Addresses such as bounce@ fail by themselves: see `relay_addresses`.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from postroom_server.sandbox.mailbox import Mailbox, Received
from postroom_server.sandbox.relay_dialogue import CLOSING, Post, SandboxDialogue
from postroom_server.sandbox.relay_faults import HANG_UP, Delay, Fault, Faults, Step

START_TIMEOUT = 10.0
"""Seconds that the relay's thread has for what it is asked to do."""

ROUNDS_TO_MEET = 8
"""Turns of the loop within which a link that was accepted is known to us: asyncio
makes its transport in one turn and tells of it in another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySecurity:
    """How the relay is protected.

    With *tls* alone STARTTLS is offered; *implicit* speaks TLS from the first byte.
    With *credentials* (user name, password) every mail needs AUTH, which is offered
    without TLS too unless *auth_needs_tls*.
    """

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    auth_needs_tls: bool = False


class SandboxRelay:
    """Receives mail; a context manager, safe to use from any thread."""

    def __init__(
        self,
        folder: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        security: RelaySecurity | None = None,
    ) -> None:
        """Prepare a relay; mails are also written to *folder* where one is given.

        Port 0 takes a free one, which `port` tells after `start`.
        """
        self.host = host
        self.port = port
        self._security = security or RelaySecurity()
        self._mailbox = Mailbox(folder)
        self._faults = Faults()
        self._post = Post(
            mailbox=self._mailbox,
            faults=self._faults,
            credentials=self._security.credentials,
        )
        self._opened = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen.  Raises `OSError` when the port is taken."""
        if self._thread is not None:
            raise RuntimeError("the relay was started before")
        ready: Future[int] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="sandbox-relay", daemon=True
        )
        self._thread.start()
        try:
            self.port = ready.result(START_TIMEOUT)
        except OSError:
            self._thread.join(START_TIMEOUT)
            self._thread = None
            raise

    def stop(self) -> None:
        """Cut all links and stop listening; what was received stays.  Idempotent."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        assert self._loop is not None
        assert self._stopping is not None
        self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def messages(self) -> tuple[Received, ...]:
        """What was received so far, in order."""
        return self._mailbox.messages

    def wait_for(self, count: int, timeout: float = 5.0) -> tuple[Received, ...]:
        """All mails, as soon as there are at least *count*.

        Raises `TimeoutError` after *timeout* seconds.
        """
        return self._mailbox.wait_for(count, timeout)

    def clear(self) -> None:
        """Forget the mails and all faults; files stay."""
        self.forget_mail()
        self.forget_trouble()

    def forget_mail(self) -> None:
        """Forget what was received; files stay."""
        self._mailbox.clear()

    def forget_trouble(self) -> None:
        """Be a good relay again."""
        self._faults.forget()

    @property
    def sessions_opened(self) -> int:
        """How many connections were made to it since it was started."""
        return self._opened

    @property
    def sessions_open(self) -> int:
        """How many are open now."""
        return len(self._post.sessions)

    def refuse(self, address: str, reply: str) -> None:
        """Answer every RCPT for *address* with *reply*, such as "550 5.1.1 no"."""
        self.add(Fault(step=Step.RCPT, reply=reply, address=address))

    def fail_next(self, step: Step | str, reply: str, times: int = 1) -> None:
        """Answer the next *times* commands of that kind with *reply*.

        A reply with 421 also closes the link.  Raises `ValueError` for a step that
        is none of `Step`.
        """
        self.add(Fault(step=Step(step), reply=reply, times=times))

    def drop_after_data(self, times: int = 1, *, keep: bool = True) -> None:
        """Cut the link in place of the reply to the end of data.

        Whether the mail is kept is *keep*: the client can't tell.
        """
        self.add(Fault(step=Step.END, reply=HANG_UP, keep=keep, times=times))

    def add(self, trouble: Fault | Delay) -> None:
        """From now on *trouble* is in force, until `lift` or `clear`."""
        self._faults.add(trouble)

    def lift(self, trouble: Fault | Delay) -> None:
        """Take *trouble* back; without effect where it is not in force."""
        self._faults.lift(trouble)

    def wait_until(
        self, enough: Callable[[tuple[Received, ...]], bool], timeout: float
    ) -> bool:
        """Whether what was received is *enough* within *timeout* seconds."""
        return self._mailbox.wait_until(enough, timeout)

    def cut(self) -> None:
        """Cut all links at once; new ones are taken."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(START_TIMEOUT)

    async def _cut(self) -> None:
        for dialogue in tuple(self._post.sessions):
            dialogue.abort()

    def close_idle(self, reply: str = "") -> int:
        """Hang up on clients that have no transaction under way, saying *reply*.

        Returns how many there were, when all of them were hung up on.
        """
        assert self._loop is not None
        closing = asyncio.run_coroutine_threadsafe(self._close_idle(reply), self._loop)
        return closing.result(START_TIMEOUT)

    async def _close_idle(self, reply: str) -> int:
        idle = [dialogue for dialogue in self._post.sessions if dialogue.idle]
        for dialogue in idle:
            if reply:
                await dialogue.push(reply)
            if not reply.encode().startswith(CLOSING):
                dialogue.close()
        return len(idle)

    def _run(self, ready: Future[int]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except OSError as error:
            ready.set_exception(error)

    async def _serve(self, ready: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        tls = self._security.tls if self._security.implicit else None
        server = await self._loop.create_server(
            self._dialogue, self.host, self.port, ssl=tls
        )
        ready.set_result(server.sockets[0].getsockname()[1])
        await self._stopping.wait()
        # A server that is closed forgets the links that it accepted just before, and
        # never closes them.
        for listening in server.sockets:
            self._loop.remove_reader(listening.fileno())
        for _ in range(ROUNDS_TO_MEET):
            await self._cut()
            await asyncio.sleep(0)
        server.close()
        await server.wait_closed()

    def _dialogue(self) -> SandboxDialogue:
        self._opened += 1
        security = self._security
        return SandboxDialogue(
            self._post,
            loop=self._loop,
            tls_context=None if security.implicit else security.tls,
            auth_require_tls=security.auth_needs_tls and not security.implicit,
        )
