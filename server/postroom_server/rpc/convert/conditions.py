"""How relays are, as the contract has it."""

from __future__ import annotations

from postroom.v1 import relay_pb2

from postroom_server.domain.relays import RelayCondition, RelayPause
from postroom_server.rpc.convert.attempts import number
from postroom_server.rpc.convert.times import duration, timestamp


def relay_condition(condition: RelayCondition) -> relay_pb2.RelayCondition:
    """How a relay is."""
    return relay_pb2.RelayCondition(
        state=number(condition.state),
        pace=condition.pace,
        failures=condition.failures,
        resumes_in=duration(condition.resumes_in),
        pause=None if condition.pause is None else _pause(condition.pause),
    )


def _pause(pause: RelayPause) -> relay_pb2.RelayPause:
    return relay_pb2.RelayPause(
        reason=pause.reason,
        paused_by=pause.paused_by,
        paused_at=timestamp(pause.paused_at),
    )
