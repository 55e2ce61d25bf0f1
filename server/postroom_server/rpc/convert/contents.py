"""Blobs and rendered mail, as the contract has them."""

from __future__ import annotations

from postroom.v1 import content_pb2 as wire

from postroom_server.delivery.rendering import Rendered
from postroom_server.outbox.store import Blob
from postroom_server.rpc.convert.reports import validation_report
from postroom_server.rpc.convert.times import timestamp


def upload_response(blob: Blob) -> wire.UploadBlobResponse:
    """What became of an upload."""
    return wire.UploadBlobResponse(
        blob=wire.Blob(
            name=blob.name,
            size_bytes=blob.octets.size,
            sha256=bytes.fromhex(blob.octets.sha256),
            expire_at=timestamp(blob.expires_at),
        ),
        existed=blob.existed,
    )


def render_header(rendered: Rendered) -> wire.RenderMessageResponse:
    """The first frame of a rendered mail."""
    return wire.RenderMessageResponse(
        header=wire.RenderMessageHeader(
            report=validation_report(rendered.report), message_id=rendered.message_id
        )
    )
