"""Relays that misbehave once, as their `Case` says, and are good relays afterwards.

All of them live on one event loop.  What a relay took is its own truth, with which the
service's is compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.gates.hostile_cases import ENVELOPE, Case, Mode, Reused

_OFFERED = {
    Mode.PLAIN: ("ENHANCEDSTATUSCODES",),
    Mode.PIPELINING: ("PIPELINING", "ENHANCEDSTATUSCODES"),
    Mode.CHUNKING: ("PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES"),
    Mode.STARTTLS: ("PIPELINING", "CHUNKING"),
}
_YES = {"GREETING": "220", "STARTTLS": "220", "AUTH": "235", "DATA": "354"}
_GARBLED = {
    "garbage": b"\x16\x03\x01 what?\r\n",
    "class": b"650 2.0.0 ok\r\n",
    "mixed": b"250-one\r\n550 5.0.0 two\r\n",
    "lf-only": b"250 2.0.0 ok\n",
    "cr-only": b"250 2.0.0 ok\r",
    "long-line": b"250 " + b"x" * 1_000_000 + b"\r\n",
    "half": b"25",
}
_ENDLESS = {"endless": (b"250-more\r\n" * 100, 0.0), "drip": (b"2", 0.02)}
"""What is said again and again, and the seconds between."""


class HungUp(Exception):
    """The dialogue is over."""


@dataclass
class HostileRelay:
    """One of them; *took* are the recipients of each content that it said yes to."""

    case: Case
    tls: ssl.SSLContext
    port: int = 0
    connections: int = 0
    open: int = 0
    took: list[tuple[str, ...]] = field(default_factory=list)
    clear: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.misbehaved = False

    async def converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self.open += 1
        try:
            await _Dialogue(self, reader, writer).run()
        except (HungUp, OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class _Dialogue:
    def __init__(
        self,
        relay: HostileRelay,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.relay, self.reader, self.writer = relay, reader, writer
        self.secure = False
        self.transactions = 0
        self.recipients: list[str] = []
        self.asked = 0
        self.answered_early = False

    @property
    def hostile(self) -> bool:
        relay = self.relay
        wanted = 1 if relay.case.reused is Reused.YES else 0
        return not relay.misbehaved and self.transactions == wanted

    async def run(self) -> None:
        await self.answer("GREETING")
        while True:
            line = await self.reader.readuntil(b"\r\n")
            if not self.secure:
                self.relay.clear += line
            verb = line.split()[0].upper().decode()
            if verb == "QUIT":
                self.writer.write(b"221 2.0.0 bye\r\n")
                return
            await self.obey(verb, line)

    async def obey(self, verb: str, line: bytes) -> None:
        match verb:
            case "STARTTLS":
                if await self.answer(verb):
                    await self.writer.start_tls(self.relay.tls)
                    self.secure = True
            case "MAIL":
                self.recipients, self.asked = [], 0
                await self.answer(verb)
            case "RCPT":
                await self.recipient(line)
            case "DATA" | "BDAT":
                await self.content(verb, line)
            case "EHLO" | "HELO" | "AUTH":
                hello = "EHLO2" if self.secure else "EHLO"
                await self.answer(verb if verb == "AUTH" else hello)
            case _:
                await self.say(b"250 2.0.0 ok\r\n")

    async def recipient(self, line: bytes) -> None:
        self.asked += 1
        found = re.match(rb"RCPT TO:<([^>]*)>", line)
        if await self.answer(f"RCPT{self.asked}"):
            self.recipients.append(found[1].decode())

    async def content(self, verb: str, line: bytes) -> None:
        if verb == "BDAT":
            await self.reader.readexactly(int(line.split()[1]))
        elif await self.answer("DATA"):
            await self.reader.readuntil(b"\r\n.\r\n")
        else:
            return
        if not self.recipients:
            await self.say(b"503 5.5.1 nobody to send it to\r\n")
        elif await self.answer("END"):
            self.relay.took.append(tuple(self.recipients))
        self.transactions += 1

    async def answer(self, step: str) -> bool:
        """Answer *step*; whether it was a yes."""
        if self.answered_early:
            self.answered_early = False
            return True
        case = self.relay.case
        if step != case.step or not self.hostile:
            await self.say(self.yes(step))
            return True
        self.relay.misbehaved = True
        return await self.misbehave(step, case.fault)

    async def misbehave(self, step: str, fault: str) -> bool:
        if fault in {"421", "451", "554"}:
            await self.say(f"{fault} {fault[0]}.0.0 no\r\n".encode())
            if fault == "421" or step == "GREETING":
                raise HungUp
            return False
        if fault == "non-utf8":
            await self.say(self.yes(step).replace(b" ok", b" \xff\xfe\x1b[2J"))
            return True
        if fault == "extra":
            await self.say(self.yes(step) + b"250 2.0.0 unasked\r\n")
            return True
        if fault == "early":
            self.answered_early = True
            await self.say(self.yes(step) + self.yes(self.after(step)))
            return True
        if fault == "stripped":
            await self.say(_lines(["hostile.example ok", "AUTH PLAIN LOGIN"]))
            return True
        await self.leave_unanswered(step, fault)
        raise HungUp

    async def leave_unanswered(self, step: str, fault: str) -> None:
        """Say what is no reply, and then nothing until the client has left."""
        if fault == "turn":
            await self.say(b"250 2.0.0 ok\r\n" if step in _YES else b"354 go on\r\n")
        elif fault in _ENDLESS:
            octets, pause = _ENDLESS[fault]
            while not self.reader.at_eof():
                await self.say(octets)
                await asyncio.sleep(pause)
        else:
            await self.say(_GARBLED.get(fault, b""))
        if fault == "reset":
            self.writer.transport.abort()
        elif fault not in {"close", "half"}:
            while await self.reader.read(65536):
                pass

    async def say(self, octets: bytes) -> None:
        if self.writer.is_closing():
            raise HungUp
        self.writer.write(octets)
        await self.writer.drain()
        # An endless reply must not keep the loop from hearing that the link is gone.
        await asyncio.sleep(0)

    def yes(self, step: str) -> bytes:
        if not step.startswith("EHLO"):
            return f"{_YES.get(step, '250')} 2.0.0 ok\r\n".encode()
        words = ["hostile.example ok", *_OFFERED[self.relay.case.mode]]
        if self.relay.case.mode is Mode.STARTTLS:
            words.append("STARTTLS" if step == "EHLO" else "AUTH PLAIN LOGIN")
        return _lines(words)

    def after(self, step: str) -> str:
        """The step that is answered next."""
        following = ("GREETING", "EHLO", *ENVELOPE, "DATA", "END", "RSET")
        if step == "STARTTLS":
            return "EHLO2"
        if step in {"EHLO2", "AUTH"}:
            return "MAIL"
        if step == "RCPT2" and self.relay.case.mode is Mode.CHUNKING:
            return "END"
        return following[following.index(step) + 1]


def _lines(words: Sequence[str]) -> bytes:
    lines = [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]
    return "".join(f"{line}\r\n" for line in lines).encode()


@contextlib.contextmanager
def hostile_relays(
    cases: Sequence[Case], tls: ssl.SSLContext
) -> Iterator[list[HostileRelay]]:
    """A relay for each of *cases*, listening."""
    relays = [HostileRelay(case, tls) for case in cases]
    loop = asyncio.new_event_loop()
    ready, stopping = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for relay in relays:
                server = await asyncio.start_server(relay.converse, "127.0.0.1", 0)
                relay.port = server.sockets[0].getsockname()[1]
                await stack.enter_async_context(server)
            ready.set()
            await stopping.wait()

    thread = threading.Thread(
        target=_run, args=(loop, serve), name="hostile-relays", daemon=True
    )
    thread.start()
    assert ready.wait(20)
    try:
        yield relays
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(20)


def _run(loop: asyncio.AbstractEventLoop, serve: object) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(serve())
