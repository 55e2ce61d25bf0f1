"""Relays and their sessions, as the contract has them."""

from __future__ import annotations

from postroom.v1 import relay_service_pb2

from postroom_server.delivery.relay import Relay
from postroom_server.domain.relays import SessionState
from postroom_server.domain.stats import QueueStats
from postroom_server.rpc.convert.attempts import number
from postroom_server.rpc.convert.conditions import relay_condition
from postroom_server.rpc.convert.stats import pool_stats, queue_stats
from postroom_server.rpc.convert.times import duration
from postroom_server.smtp.pool_seats import SessionReading


def relay_message(relay: Relay, queue: QueueStats) -> relay_service_pb2.Relay:
    """*relay* as it is now."""
    return relay_service_pb2.Relay(
        name=relay.name,
        host=relay.settings.host,
        port=relay.settings.port,
        condition=relay_condition(relay.condition()),
        limits=_limits(relay),
        pool=pool_stats(relay.pool.stats()),
        queue=queue_stats(queue),
    )


def session_message(
    relay: Relay, reading: SessionReading
) -> relay_service_pb2.RelaySession:
    """One session of *relay*."""
    state = SessionState.IN_USE if reading.in_use else SessionState.IDLE
    return relay_service_pb2.RelaySession(
        relay=relay.name,
        state=number(state),
        remote=reading.link.remote,
        tls_version=reading.link.tls_version,
        age=duration(reading.age),
        silent_for=duration(reading.silent_for),
        transactions=reading.transactions,
    )


def _limits(relay: Relay) -> relay_service_pb2.RelayLimits:
    limits, rate = relay.limits, relay.limits.messages
    return relay_service_pb2.RelayLimits(
        max_per_second=limits.max_per_second,
        burst=0 if rate is None else int(rate.burst),
        max_recipients_per_day=limits.max_recipients_per_day,
        connections_per_minute=limits.connections_per_minute,
        max_sessions=relay.settings.pool.max_size,
    )
