from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from postroom_server.delivery.rendering import Rendered
from postroom_server.domain.clock import Instant
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.submission import RecipientPlan, ValidationReport
from postroom_server.outbox.store import Blob
from postroom_server.rpc.convert.contents import render_header, upload_response

from tests.support.wire_fields import unset

OCTETS = StoredOctets.of(b"a file")
BLOB = Blob("acme", OCTETS, Instant(5_000_007), existed=True)
REPORT = ValidationReport(
    size_bytes=6,
    relay="relays/main",
    envelope_from="me@example.com",
    recipients=(RecipientPlan("Ada@example.com", "Ada@example.com"),),
    warnings=("odd",),
)


def test_nothing_of_a_blob_is_forgotten():
    response = upload_response(BLOB)

    assert list(unset(response)) == []
    assert response.blob.name == f"blobs/{response.blob.sha256.hex()}"
    assert response.blob.sha256.hex() == OCTETS.sha256
    assert response.blob.expire_at == Timestamp(seconds=5, nanos=7000)
    assert response.blob.size_bytes == 6


def test_nothing_of_the_header_of_a_rendered_mail_is_forgotten():
    header = render_header(Rendered(REPORT, "<1@example.com>", 6, [b"a file"])).header

    assert list(unset(header)) == []
    assert header.message_id == "<1@example.com>"
    assert header.report.size_bytes == 6
