"""grpc.health.v1 in a dozen lines: one string out, one number in.

The generated stubs of that protocol would be registered beside a user's own copy of
them; two copies in one process are a conflict of descriptors.
"""

from __future__ import annotations

from postroom.words import Health

METHOD = "/grpc.health.v1.Health/Check"
_SERVICE_TAG = b"\x0a"
_STATUS_TAG = 0x08
# The protocol's numbers, in order.
_STATUSES = tuple(Health)


def serialize(service: str) -> bytes:
    """HealthCheckRequest: the service in field 1, left out when empty."""
    name = service.encode()
    return _SERVICE_TAG + _varint(len(name)) + name if name else b""


def deserialize(raw: bytes) -> Health:
    """HealthCheckResponse: the status in field 1; what can't be read is UNKNOWN."""
    if len(raw) < 2 or raw[0] != _STATUS_TAG or raw[1] >= len(_STATUSES):
        return Health.UNKNOWN
    return _STATUSES[raw[1]]


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)
