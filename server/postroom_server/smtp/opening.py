"""From a relay's settings to a session: name, TCP, TLS, greeting, EHLO, AUTH.

With STARTTLS nothing is sent before the handshake but EHLO and STARTTLS, and nothing
that was learnt before it counts after it (RFC 3207 §4.2).  EHLO ends its flight (RFC
2920 §3.1); AUTH brings its initial response along.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable

from postroom_server.domain.attempt import FailureReason, Phase, PhaseTiming
from postroom_server.domain.reply import Reply
from postroom_server.smtp import tls
from postroom_server.smtp.commands import UnsafeCommand, Verb, command
from postroom_server.smtp.dial import dial
from postroom_server.smtp.dialogue import Dialogue
from postroom_server.smtp.entry import Entry, LeftAfterRefusal
from postroom_server.smtp.errors import Link, NeedsAdministrator, SessionError
from postroom_server.smtp.extensions import NOTHING_OFFERED, Extensions
from postroom_server.smtp.resolve import RESOLVER, Endpoint, Resolver
from postroom_server.smtp.settings import Encryption, RelaySettings
from postroom_server.smtp.timeouts import NOT_AT_ALL, DeadlineSource, Wait
from postroom_server.smtp.wire import WaitEnded, Wire

Step = tuple[Phase, Callable[[], None]]

# The relay does not know EHLO, or not us by it (RFC 5321 §3.2, §4.1.4).
_EHLO_UNKNOWN = {500, 502, 504, 550}
_FULL_NAME = re.compile(
    r"(?=.{1,255}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)


class Opening:
    """The steps towards a session, each of which may raise `SessionError`.

    What was learnt so far can be read at any time, also after a failure.
    """

    def __init__(
        self,
        relay: RelaySettings,
        deadline: DeadlineSource,
        resolver: Resolver = RESOLVER,
    ) -> None:
        self.relay = relay
        self.extensions: Extensions = NOTHING_OFFERED
        self.mechanism = ""
        self.timings: list[PhaseTiming] = []
        self.replies: dict[Phase, Reply] = {}
        self.endpoints: tuple[Endpoint, ...] = ()
        self.link = Link()
        self.distrust = ""
        self._deadline = deadline
        self._resolver = resolver
        self._wire: Wire | None = None
        self._dialogue: Dialogue | None = None

    @property
    def dialogue(self) -> Dialogue:
        """The dialogue, once there is a connection."""
        assert self._dialogue is not None
        return self._dialogue

    def steps(self) -> tuple[Step, ...]:
        """The steps that this relay's settings ask for, in order."""
        reach: tuple[Step, ...] = (
            (Phase.DNS, self._resolve),
            (Phase.CONNECT, self._connect),
        )
        greet: tuple[Step, ...] = (
            (Phase.GREETING, self._greet),
            (Phase.EHLO, self._introduce),
        )
        secure: dict[Encryption, tuple[Step, ...]] = {
            Encryption.NONE: greet,
            Encryption.SSL: ((Phase.TLS, self.shake_hands), *greet),
            Encryption.TLS: (
                *greet,
                (Phase.TLS, self._start_tls),
                (Phase.EHLO, self._introduce),
            ),
        }
        enter = ((Phase.AUTH, self._log_in),) if self.relay.username else ()
        return (*reach, *secure[self.relay.encryption], *enter)

    def run(self, steps: tuple[Step, ...] | None = None) -> None:
        """Take all *steps*; on failure, leave nothing open."""
        try:
            for phase, step in self.steps() if steps is None else steps:
                self.take(phase, step)
        except SessionError as error:
            self.part(error)
            raise
        except BaseException:
            self.close()
            raise

    def part(self, error: SessionError) -> None:
        """Close after *error*; a relay that refused us politely is told (§3.8)."""
        dialogue = self._dialogue
        if error.reply is not None and dialogue is not None and not dialogue.fault:
            dialogue.deadline = NOT_AT_ALL
            with contextlib.suppress(SessionError):
                dialogue.say(command(Verb.QUIT), Phase.QUIT)
        self.close()

    def take(self, phase: Phase, step: Callable[[], None]) -> None:
        """Take one step and time it."""
        began = time.monotonic()
        try:
            step()
        except SessionError as error:
            self._note(error, phase, began)
            raise
        except UnsafeCommand as unsafe:
            # The settings hold something that can't be said.
            unsaid = SessionError(phase, FailureReason.INTERNAL, str(unsafe))
            self._note(unsaid, phase, began)
            raise unsaid from unsafe
        self._time(phase, began)

    def _note(self, error: SessionError, phase: Phase, began: float) -> None:
        self._time(phase, began)
        error.timings, error.link = tuple(self.timings), self.link
        if error.reply is not None:
            self.replies[phase] = error.reply

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._wire is not None:
            self._wire.close()

    def _time(self, phase: Phase, began: float) -> None:
        self.timings.append(PhaseTiming(phase, time.monotonic() - began))

    def _wait(self, seconds: float) -> Wait:
        return Wait(seconds, self._deadline)

    def _resolve(self) -> None:
        relay = self.relay
        wait = self._wait(relay.timeouts.dns)
        self.endpoints = self._resolver.resolve(relay.host, relay.port, wait)

    def _connect(self) -> None:
        relay = self.relay
        sock, address = dial(self.endpoints, self._wait(relay.timeouts.connect))
        self.link = Link(remote=f"{relay.host}:{relay.port} [{address}]")
        self._wire = Wire(sock)
        self._dialogue = Dialogue(self._wire, relay.timeouts, self._deadline)

    def _greet(self) -> None:
        reply = self.dialogue.hear(Phase.GREETING, self.relay.timeouts.greeting)
        self._require(reply, "the relay turned us away")

    def _introduce(self) -> None:
        name = self.relay.ehlo_name or _own_name(self.dialogue.wire.local_ip)
        self.dialogue.say(command(Verb.EHLO, name), Phase.EHLO)
        raw = self.dialogue.hear_raw(Phase.EHLO)
        reply = Reply.of(raw.code, raw.lines, Phase.EHLO)
        self.extensions = NOTHING_OFFERED
        if raw.code == 250:
            self.extensions = Extensions.of(raw.lines)
        elif raw.code in _EHLO_UNKNOWN:
            reply = self.dialogue.ask(command(Verb.HELO, name), Phase.EHLO)
        self._require(reply, "the relay refused our greeting")

    def _start_tls(self) -> None:
        self.ask_for_tls()
        self.shake_hands()

    def ask_for_tls(self) -> None:
        """Say STARTTLS, and make sure that the handshake is what comes next."""
        if not self.extensions.starttls:
            raise _tls_failure("the relay does not offer STARTTLS, which is required")
        reply = self.dialogue.ask(command(Verb.STARTTLS), Phase.TLS)
        self.replies[Phase.TLS] = reply
        if not reply.positive:
            error = _tls_failure("the relay refused STARTTLS, which is required")
            error.reply = reply
            raise error
        self.extensions = NOTHING_OFFERED
        if not self.dialogue.wire.silent:
            # It could pass for a reply given under TLS (threat C2).
            raise _tls_failure("the relay sent text between STARTTLS and the handshake")

    def shake_hands(self, context: ssl.SSLContext | None = None) -> None:
        """The TLS handshake, by *context* or as the relay's settings say."""
        wait = self._wait(self.relay.timeouts.tls)
        wire = self.dialogue.wire
        try:
            used = context or tls.context_for(self.relay)
            wire.start_tls(used, self.relay.host.rstrip("."), wait)
        except WaitEnded:
            raise SessionError(
                Phase.TLS, wait.reason, "the handshake took too long"
            ) from None
        except ssl.SSLError as error:
            self.distrust = tls.problem_of(error)
            failure = _tls_failure(self.distrust)
            if tls.is_distrust(error):
                failure = NeedsAdministrator(
                    Phase.TLS, FailureReason.TLS, self.distrust
                )
            raise failure from error
        except (OSError, ValueError) as error:
            problem = tls.problem_of(error)
            raise SessionError(Phase.TLS, FailureReason.NETWORK, problem) from error
        version = wire.tls.version() if wire.tls else None
        self.link = Link(self.link.remote, version or "")

    def _log_in(self) -> None:
        if self.dialogue.wire.tls is None and not self._local:
            raise NeedsAdministrator(
                Phase.AUTH,
                FailureReason.TLS,
                "credentials are sent under TLS only, and this relay is set to none",
            )
        entry = Entry(self.relay, self._deadline)
        try:
            entry.log_in(self.dialogue, self.extensions)
        except LeftAfterRefusal:
            self._come_back()
            entry.log_in(self.dialogue, self.extensions)
        self.mechanism = entry.mechanism

    def _come_back(self) -> None:
        """Take all steps that came before once more, on a new connection."""
        self.close()
        for _, step in self.steps()[:-1]:
            step()

    @property
    def _local(self) -> bool:
        remote = self.link.remote.rpartition("[")[2].rstrip("]")
        return ipaddress.ip_address(remote.partition("%")[0]).is_loopback

    def _require(self, reply: Reply, detail: str) -> None:
        self.replies[reply.phase] = reply
        if not reply.positive:
            raise SessionError.refused(reply, detail)


def _tls_failure(detail: str) -> SessionError:
    return SessionError(Phase.TLS, FailureReason.TLS, detail)


def _own_name(local_ip: str) -> str:
    """Our name in EHLO, without asking a resolver (RFC 5321 §4.1.3, §4.1.4)."""
    name = socket.gethostname()
    if _FULL_NAME.fullmatch(name):
        return name
    address = ipaddress.ip_address(local_ip.partition("%")[0])
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"
