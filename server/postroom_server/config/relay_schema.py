"""The keys of ``[relays.ID]`` and its tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from postroom_server.config.keys import SECONDS, Table, key, seconds, table
from postroom_server.config.limit_keys import (
    mails_at_once,
    mails_per_second,
    recipients_per_day,
)
from postroom_server.config.values import RelayConfig
from postroom_server.domain.pacing import NO_LIMITS, Circuit
from postroom_server.domain.submission import RetryPolicy
from postroom_server.smtp.timeouts import Timeouts

_RELAY = RelayConfig(id="", host="", port=0)
_TIMEOUTS = Timeouts()
_RETRY = RetryPolicy()
_CIRCUIT = Circuit()

PORTS = {"none": 25, "tls": 587, "ssl": 465}
"""The port where none is configured, by encryption (RFC 5321, 6409, 8314)."""


class TimeoutsTable(Table):
    """How long each step of a dialogue may take; RFC 5321 §4.5.3.2 has the least."""

    dns: float = seconds(_TIMEOUTS.dns, "Resolving the relay's name.")
    connect: float = seconds(
        _TIMEOUTS.connect, "Connecting, all addresses of the name together."
    )
    tls: float = seconds(_TIMEOUTS.tls, "The TLS handshake.")
    greeting: float = seconds(_TIMEOUTS.greeting, "The relay's first reply.")
    command: float = seconds(
        _TIMEOUTS.command,
        "The reply to a command: EHLO, AUTH, MAIL, RCPT and their like.",
    )
    data: float = seconds(_TIMEOUTS.data, "The reply to DATA.")
    block: float = seconds(_TIMEOUTS.block, "Writing one block of content.")
    final: float = seconds(
        _TIMEOUTS.final,
        "The reply to the end of data. Shorter means more mail of uncertain fate.",
    )


class RetryTable(Table):
    """When temporary failures are tried again, where the caller does not say."""

    disabled: bool = key(_RETRY.disabled, "Whether one attempt must be enough.")
    quick_delays: Annotated[
        list[Annotated[float, Field(ge=0, le=60)]], Field(max_length=3)
    ] = key(
        list(_RETRY.quick_delays),
        "Delays before the quick retries while callers wait; at most 3, each 0 to 60.",
        unit=SECONDS,
    )
    min_delay: float = seconds(
        _RETRY.min_delay,
        "The first delay of the long schedule; it doubles each time.",
        least=0.1,
        most=3600,
    )
    max_delay: float = seconds(
        _RETRY.max_delay, "The longest delay of the long schedule.", least=0.1
    )
    max_attempts: int = key(
        _RETRY.max_attempts,
        "Attempts altogether; 0: as many as fit until the delivery expires.",
        least=0,
        most=100,
    )


class CircuitTable(Table):
    """When a relay that fails again and again is left alone, and tried again."""

    failures: int = key(
        _CIRCUIT.failures,
        "Attempts in a row that could not speak with it.",
        least=1,
        most=1000,
    )
    first_pause: float = seconds(
        _CIRCUIT.first_pause, "The first pause, at most; it doubles.", least=0.1
    )
    longest_pause: float = seconds(
        _CIRCUIT.longest_pause, "The longest pause.", least=0.1
    )


class RelayTable(Table):
    """One relay; callers know it as "relays/ID"."""

    host: str = key(
        "", "The relay's name or address. Required.", otherwise="(required)"
    )
    port: int | None = key(
        None,
        "The relay's port.",
        least=1,
        most=65535,
        otherwise="587, with ssl 465, with none 25",
    )
    encryption: Literal["none", "tls", "ssl"] = key(
        _RELAY.encryption.value,
        "none: plain; tls: STARTTLS, required; ssl: TLS from the first byte.",
    )
    username: str = key(_RELAY.username, "Who logs in; empty: no log-in.")
    password: SecretStr = key(
        SecretStr(""), "The password. Better: password_file, which can't be copied."
    )
    password_file: str = key(
        _RELAY.password_file,
        "A file that holds the password; one line end after it is ignored.",
    )
    token_command: Annotated[list[str], Field(max_length=64)] = key(
        list(_RELAY.token_command),
        "A program and its arguments; its first line of output is the OAuth token. "
        "Run at each connect, without a shell.",
    )
    token_file: str = key(
        _RELAY.token_file,
        "A file whose first line is the OAuth token, read at each connect.",
    )
    token_timeout: float = seconds(
        _RELAY.token_timeout, "How long the token command may take.", least=0.1, most=60
    )
    auth_mechanism: Literal[
        "", "plain", "login", "cram-md5", "oauthbearer", "xoauth2"
    ] = key(
        _RELAY.auth_mechanism,
        "plain, login or cram-md5, and with a token oauthbearer or xoauth2; empty: "
        "plain or login, and with a token either, whichever is offered.",
    )
    from_address: str = key(
        _RELAY.from_address, "The From of messages that have none; empty: refuse them."
    )
    envelope_from: str = key(
        _RELAY.envelope_from,
        "The envelope sender of messages that name none; empty: their From.",
    )
    pool_size: int = key(
        _RELAY.pool_size,
        "The most sessions at once, those being opened included.",
        least=1,
        most=1000,
    )
    in_flight: int = key(
        _RELAY.in_flight,
        "The most mails under way in one session, where the relay offers PIPELINING "
        "and CHUNKING. If the session breaks, as many may arrive twice.",
        least=1,
        most=64,
    )
    max_per_second: float = mails_per_second()
    burst: int = mails_at_once()
    max_recipients_per_day: int = recipients_per_day()
    connections_per_minute: int = key(
        NO_LIMITS.connections_per_minute,
        "The most sessions opened in a minute; 0: no limit.",
        least=0,
        most=60_000,
    )
    concurrent_sessions: int = key(
        NO_LIMITS.concurrent_sessions,
        "The most mails under way at once, over all processes that share the store; "
        "0: as many as their pools have sessions for.",
        least=0,
        most=100_000,
    )
    idle_timeout: float = seconds(
        _RELAY.idle_timeout, "A session unused for so long is closed.", least=1
    )
    max_age: float = seconds(_RELAY.max_age, "A session so old is closed.", least=1)
    max_messages: int = key(
        _RELAY.max_messages,
        "A session that carried so many mails is closed.",
        least=1,
        most=1_000_000,
    )
    heartbeat: float = seconds(
        _RELAY.heartbeat,
        "An idle session is asked so often whether it is alive.",
        least=1,
    )
    tls_ca_file: str = key(
        _RELAY.tls_ca_file,
        "Authorities to trust instead of the system's, as PEM; empty: the system's.",
    )
    tls_verify: bool = key(
        _RELAY.tls_verify,
        "Whether the certificate must be valid for host. Turn off for tests alone.",
    )
    ehlo_name: str = key(
        _RELAY.ehlo_name,
        "How we introduce ourselves; empty: our host's full name, or its address.",
    )
    timeouts: TimeoutsTable = table(TimeoutsTable)
    retry: RetryTable = table(RetryTable)
    circuit: CircuitTable = table(CircuitTable)
