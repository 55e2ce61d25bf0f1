"""How much of everything is allowed, as configured; `GetServerInfo` tells callers."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, durations in seconds."""

    max_request_bytes: int = 10 * MB
    max_message_bytes: int = 512 * MB
    max_body_bytes: int = 100 * MB
    max_attachment_bytes: int = 25 * MB
    max_attachments_bytes: int = 100 * MB
    max_attachments: int = 100
    max_recipients: int = 100
    max_reply_to: int = 10
    max_subject_length: int = 998
    max_headers: int = 100
    max_batch_items: int = 500
    max_batch_recipients: int = 4000
    max_header_block_bytes: int = 64 * 1024
    max_wait: float = 120.0
    max_send_ahead: float = 30 * 86_400.0
    max_expiry: float = 7 * 86_400.0
    default_expiry: float = 86_400.0
    request_id_retention: float = 86_400.0
    delivery_retention: float = 30 * 86_400.0
    content_retention: float = 86_400.0
    event_retention: float = 7 * 86_400.0
    max_watch: float = 1500.0
    max_chunk_bytes: int = MB
    max_blob_bytes: int = 100 * MB
    max_blobs_bytes: int = 1024 * MB
    blob_retention: float = 86_400.0

    @property
    def events_kept(self) -> float:
        """How long events are kept: they go with their deliveries."""
        return min(self.event_retention, self.delivery_retention)
