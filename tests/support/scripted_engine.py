"""An engine that answers from a script, behind the real behaviours of the door."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from postroom_server.delivery.relays import Relays
from postroom_server.domain.limits import Limits
from postroom_server.outbox.store import DeliveryQuery
from postroom_server.rpc.delivery import DeliveryBehaviours
from postroom_server.rpc.server_info import ServerFacts

from tests.support.clocks import FakeClock
from tests.support.deliveries import NOW

CALL = 20.0
"""Seconds that a call of a test may take."""


@dataclass
class ScriptedEngine:
    """Answers what it is told to, and keeps what it was asked."""

    answer: Any = None
    limits: Limits = field(default_factory=Limits)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    left: threading.Event | None = None

    def __post_init__(self):
        self.outbox = SimpleNamespace(
            created_at=NOW, epoch="e", secret=b"of this store"
        )
        self.following = None
        relay = SimpleNamespace(id="main", name="relays/main")
        self.relays = Relays({"main": relay}, "main")

    def _told(self, *call):
        self.calls.append(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def send(self, submission, caller):
        caller.accepted()
        if self.left is not None:
            caller.on_leave(self.left.set)
            self.begun.set()
            assert self.left.wait(CALL)
        return self._told("send", submission, caller)

    def validate(self, submission):
        return self._told("validate", submission)

    def get(self, tenant, delivery_id):
        return self._told("get", tenant, delivery_id)

    def find(self, tenant, request_id):
        return self._told("find", tenant, request_id)

    def list(self, query: DeliveryQuery):
        found = self._told("list", query)
        older = [
            d
            for d in found
            if query.before is None or (d.accepted_at, d.id) < query.before
        ]
        return older[: query.limit]

    def cancel(self, tenant, delivery_id, request_id):
        return self._told("cancel", tenant, delivery_id, request_id)

    def retry(self, request, caller):
        return self._told("retry", request, caller)

    def test_connection(self, relay, verify_sender, limit):
        return self._told("test_connection", relay, verify_sender, limit)

    def stats(self, relay, *, include, tenant=""):
        return self._told("stats", relay, tenant, include)


def behaviours(engine: ScriptedEngine, clock: FakeClock):
    """What answers each method from *engine*."""
    facts = ServerFacts(instance="0a1b", started_at=NOW, limits=engine.limits)
    return DeliveryBehaviours(engine, facts, clock).behaviours()
