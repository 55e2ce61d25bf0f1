"""`GetServerInfo`: what this server is, how much it takes, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from postroom.v1 import server_info_pb2 as wire

from postroom_server.domain.clock import Instant
from postroom_server.domain.limits import Limits
from postroom_server.rpc import wire as standard
from postroom_server.rpc.convert.times import duration_fields, timestamp_fields
from postroom_server.rpc.methods import DELIVERY_SERVICE_NAME, RELAY_SERVICE_NAME

FEATURES = (
    "all_recipients_or_none",
    "batch",
    "blobs",
    "cancel",
    "dsn",
    "events",
    "list",
    "metadata",
    "on_uncertain",
    "priority",
    "raw",
    "relays",
    "render",
    "request_id",
    "retry",
    "retry_policy",
    "schedule",
    "send_many",
    "send_stream",
    "stats",
    "tags",
    "test_connection",
    "unsubscribe",
    "validate_only",
)
"""What is built and switched on, sorted; the names in docs/features."""


@cache
def server_version() -> str:
    """The version of this server, as in its package."""
    return version("postroom-server")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What does not change while the process lives; *instance* names it.

    *reflection* says whether callers may ask for the contract itself.
    """

    instance: str
    started_at: Instant
    limits: Limits
    reflection: bool = True
    version: str = ""

    def response(self, now: Instant) -> wire.GetServerInfoResponse:
        """The answer at *now*."""
        return wire.GetServerInfoResponse(
            version=self.version or server_version(),
            instance=self.instance,
            started_at=timestamp_fields(self.started_at),
            server_time=timestamp_fields(now),
            limits=server_limits(self.limits),
            features=FEATURES,
            services=self._services(),
        )

    def _services(self) -> tuple[str, ...]:
        reflection = (standard.REFLECTION, standard.REFLECTION_ALPHA)
        others = reflection if self.reflection else ()
        return (DELIVERY_SERVICE_NAME, RELAY_SERVICE_NAME, standard.HEALTH, *others)


def server_limits(limits: Limits) -> wire.ServerLimits:
    """*limits* as the contract has them."""
    return wire.ServerLimits(
        max_request_bytes=limits.max_request_bytes,
        max_message_bytes=limits.max_message_bytes,
        max_body_bytes=limits.max_body_bytes,
        max_attachment_bytes=limits.max_attachment_bytes,
        max_attachments_bytes=limits.max_attachments_bytes,
        max_attachments=limits.max_attachments,
        max_recipients=limits.max_recipients,
        max_subject_length=limits.max_subject_length,
        max_headers=limits.max_headers,
        max_batch_items=limits.max_batch_items,
        max_batch_recipients=limits.max_batch_recipients,
        max_chunk_bytes=limits.max_chunk_bytes,
        max_wait=duration_fields(limits.max_wait),
        max_send_ahead=duration_fields(limits.max_send_ahead),
        request_id_retention=duration_fields(limits.request_id_retention),
        event_retention=duration_fields(limits.events_kept),
        delivery_retention=duration_fields(limits.delivery_retention),
        content_retention=duration_fields(limits.content_retention),
        max_watch=duration_fields(limits.max_watch),
    )
