"""One SMTP session of the sandbox relay (RFC 5321), with what real relays offer.

Beyond aiosmtpd: CHUNKING (RFC 3030), PIPELINING (RFC 2920), ENHANCEDSTATUSCODES
(RFC 2034), DSN (RFC 3461, asked for and never sent), addresses kept exactly as they
came, and DATA read in large pieces.

Invariants: the octets of BDAT are taken as they are, no dot is ever removed; octets
announced by a BDAT are read even where it is refused, so that the next command is
found; once a chunk was refused, so is every further one until RSET; DATA and BDAT
don't mix in one transaction (RFC 3030 §2).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import AnyStr

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax

from postroom_server.sandbox.mailbox import Mailbox
from postroom_server.sandbox.relay_faults import HANG_UP, Faults, Step
from postroom_server.sandbox.relay_hooks import Hooks

SIZE_LIMIT = 512 * 1_048_576
"""Larger mails are refused; what EHLO offers as SIZE."""

READ_LIMIT = 65_536
"""How much is buffered at once, in bytes; longer command lines are refused."""

HOSTNAME = "sandbox.postroom.invalid"
CLOSING = b"421"
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(.*)', re.DOTALL)
_XTEXT = r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+"
# RFC 3461 §4.1 to §4.4; RFC 6533 §3 adds what is not ASCII.
_OF_MAIL = re.compile(rf"RET=(?:FULL|HDRS)|ENVID={_XTEXT}", re.IGNORECASE)
_WHEN = "(?:SUCCESS|FAILURE|DELAY)"
_OF_RCPT = re.compile(
    rf"NOTIFY=(?:NEVER|{_WHEN}(?:,{_WHEN})*)|ORCPT=[A-Z0-9-]+;(?:{_XTEXT}|[^\x00-\x20]+)",
    re.IGNORECASE,
)
_CODE_ONLY = re.compile(r"(?!220|354)[245]\d\d (?!\d\.\d+\.\d+ )")
# RFC 2034 §3: the replies that aiosmtpd writes without an enhanced code.
_ENHANCED = {
    "250": "2.0.0",
    "221": "2.0.0",
    "500": "5.5.2",
    "501": "5.5.4",
    "502": "5.5.1",
    "503": "5.5.1",
    "538": "5.7.11",
    "552": "5.3.4",
    "555": "5.5.4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What the sessions of a relay share."""

    mailbox: Mailbox
    faults: Faults
    sessions: set[SandboxDialogue] = field(default_factory=set)
    credentials: tuple[str, str] | None = None


class Transaction(Envelope):
    """An envelope on the way, and the chunks that came for it."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[bytes] = []
        self.chunked = False
        self.refusal = ""
        self.asked: list[tuple[str, ...]] = []

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self.rcpt_tos)

    @property
    def sender(self) -> str:
        """MAIL FROM, empty for the null reverse path."""
        return "" if self.mail_from in {None, "<>"} else str(self.mail_from)


class SandboxDialogue(SMTP):
    """Speaks with one client on the relay's event loop."""

    line_length_limit = READ_LIMIT
    envelope: Transaction
    session: Session

    def __init__(self, post: Post, **options: object) -> None:
        self.post = post
        self.asked: tuple[str, ...] = ()
        super().__init__(
            Hooks(),
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            hostname=HOSTNAME,
            ident="Postroom sandbox",
            authenticator=self._check,
            **options,  # type: ignore[arg-type]
        )
        # Given to the constructor it warns of AUTH without TLS, which the owner of
        # the relay chose; and it does not know that implicit TLS is TLS.
        self._auth_required = post.credentials is not None

    @property
    def idle(self) -> bool:
        """Whether no transaction is under way."""
        return not self.envelope.mail_from

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.post.sessions.add(self)
        assert self._handler_coroutine is not None
        self._handler_coroutine.add_done_callback(_collect)
        if self.post.faults.take(Step.CONNECT):
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.post.sessions.discard(self)
        super().connection_lost(error)

    def abort(self) -> None:
        """Cut the link at once."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    async def push(self, status: AnyStr) -> None:
        """Send a reply; a 421 ends the session (RFC 5321 §3.8)."""
        if status == HANG_UP:
            await self._hang_up()
        await asyncio.sleep(self.post.faults.delay)
        said = _as_sent(status)
        await super().push(said)
        if said.startswith(CLOSING):
            self.close()

    async def _hang_up(self) -> None:
        """Cut the link; what was read ahead is not looked at any more."""
        self.abort()
        # The loss of the link cancels us.
        await asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Close the link once what was said is written."""
        if self.transport is not None:
            self.transport.close()

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802  aiosmtpd's name
        refusal = self._out_of_turn() or self.post.faults.next_reply(Step.DATA)
        if refusal is None and (arg or self.envelope.chunked):
            refusal = "501 no parameter" if arg else "503 BDAT was used before"
        if refusal:
            await self.push(refusal)
            return
        await self.push("354 end with <CR><LF>.<CR><LF>")
        await self._end(await self._read_data())

    @syntax("VRFY <address>")
    async def smtp_VRFY(self, arg: str | None) -> None:  # noqa: N802  aiosmtpd's name
        told = self.post.faults.next_reply(Step.VRFY)
        if told is None and not arg:
            told = "501 5.5.4 syntax: VRFY <address>"
        await self.push(told or "252 2.0.0 send some mail and see")

    @syntax("BDAT <octets> [LAST]")
    async def smtp_BDAT(self, arg: str | None) -> None:  # noqa: N802  aiosmtpd's name
        size, _, last = (arg or "").upper().partition(" ")
        if not size.isdecimal() or last not in {"", "LAST"}:
            # How much follows is not known, so nothing after it can be understood.
            await self.push("501 5.5.4 syntax: BDAT <octets> [LAST]")
            self.close()
            return
        chunk = await self._read_chunk(int(size))
        self.envelope.chunked = True
        self.envelope.refusal = self.envelope.refusal or self._chunk_refusal(chunk)
        if self.envelope.refusal:
            await self.push(self.envelope.refusal)
            self.envelope.refusal = "503 5.5.1 an earlier chunk was refused"
        elif last:
            await self._end(b"".join((*self.envelope.chunks, chunk or b"")))
        else:
            self.envelope.chunks.append(chunk or b"")
            await self.push(f"250 2.0.0 {size} octets received")

    def _chunk_refusal(self, chunk: bytes | None) -> str:
        told = self._out_of_turn()
        if not told and not self.envelope.chunks:
            told = self.post.faults.next_reply(Step.DATA)
        if told:
            return told
        held = sum(map(len, self.envelope.chunks)) + len(chunk or b"")
        return "552 5.3.4 too much" if chunk is None or held > SIZE_LIMIT else ""

    async def _read_chunk(self, size: int) -> bytes | None:
        """The octets of a BDAT; None, and they are gone, when there are too many."""
        if size <= SIZE_LIMIT:
            return await self._reader.readexactly(size)
        while size:
            size -= len(await self._reader.readexactly(min(size, READ_LIMIT)))
        return None

    async def _read_data(self) -> bytes:
        """What DATA brings, dots unstuffed (RFC 5321 §4.5.2)."""
        # The end of data may be the first line: the CRLF before it is DATA's own.
        self._reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]  # noqa: SLF001  no public way to give back
        pieces: list[bytes] = []
        while not pieces or not pieces[-1].endswith(b"\r\n.\r\n"):
            try:
                pieces.append(await self._reader.readuntil(b"\r\n.\r\n"))
            except asyncio.LimitOverrunError as overrun:
                pieces.append(await self._reader.readexactly(overrun.consumed))
        stuffed = b"".join(pieces)[:-3]
        return stuffed.replace(b"\r\n.", b"\r\n")[2:]

    async def _end(self, data: bytes) -> None:
        """The whole mail is here: say what becomes of it."""
        mail = self.envelope
        self.envelope = self._create_envelope()
        if len(data) > SIZE_LIMIT:
            await self.push("552 5.3.4 too much")
            return
        fault = self.post.faults.next_end(mail.addresses)
        refusal = fault.reply if fault else None
        if fault is None or fault.keep:
            refusal = self._keep(mail, data) or refusal
        await self.push(refusal or "250 2.0.0 Ok: kept in the sandbox")

    def _keep(self, mail: Transaction, data: bytes) -> str | None:
        try:
            self.post.mailbox.keep(mail.sender, mail.addresses, data, tuple(mail.asked))
        except OSError as error:
            return f"452 4.3.1 could not keep it: {error.strerror}"
        return None

    def _out_of_turn(self) -> str | None:
        if not self.session.host_name:
            return "503 5.5.1 send EHLO first"
        if not self.envelope.mail_from:
            return "503 5.5.1 need MAIL first"
        if not self.envelope.rcpt_tos:
            # RFC 2033 and RFC 2920 §3.1: 554 where all recipients were refused.
            return "554 5.5.1 no valid recipients"
        return None

    def _create_envelope(self) -> Transaction:
        return Transaction()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """The path exactly as it came; aiosmtpd would write it anew."""
        found = _PATH.match(arg.strip())
        if not found:
            return None, None
        known = _OF_RCPT if self.envelope.mail_from else _OF_MAIL
        parameters = found[2].split()
        self.asked = tuple(p for p in parameters if known.fullmatch(p))
        # Those of DSN are none of aiosmtpd's, which would refuse them.
        others = (p for p in parameters if not known.fullmatch(p))
        return found[1] or "<>", " ".join(others)

    def _check(self, *asked: object) -> AuthResult:
        given = asked[-1]
        assert isinstance(given, LoginPassword)
        login = (given.login.decode(), given.password.decode())
        return AuthResult(success=login == self.post.credentials, handled=False)


def _as_sent(status: str | bytes) -> bytes:
    """*status* with an enhanced code, where it may have one and has none."""
    if isinstance(status, bytes):
        return status
    if _CODE_ONLY.match(status):
        code, _, text = status.partition(" ")
        status = f"{code} {_ENHANCED.get(code, f'{code[0]}.0.0')} {text}"
    return status.encode("utf-8", "surrogateescape")


def _collect(task: asyncio.Task[None]) -> None:
    """A session that ends with its link ended well."""
    if not task.cancelled():
        task.exception()
