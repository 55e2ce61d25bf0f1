"""Callers of several tenants, each with its token."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub

from tests.support.callers import Caller
from tests.support.service import CALL


def configured(*callers: Caller) -> str:
    return "\n".join(
        f"[credentials.{c.credential.principal.name}]\n"
        f'tenant = "{c.credential.principal.tenant}"\n'
        f'role = "{c.credential.principal.role.value}"\n'
        f"senders = {list(c.credential.principal.senders)}\n"
        f'token_sha256 = ["{c.credential.token_digests[0].hex()}"]'
        for c in callers
    )


@dataclass
class As:
    """The stub, with the token of one caller."""

    stub: DeliveryServiceStub
    caller: Caller

    def __getattr__(self, method):
        call = getattr(self.stub, method)
        return lambda request: call(
            request, timeout=CALL, metadata=self.caller.metadata
        )
