"""Our health and reflection messages are the official ones, byte for byte."""

from __future__ import annotations

import pytest
from postroom_server.rpc import wire


@pytest.mark.parametrize(
    ("message", "octets"),
    [
        (wire.HealthCheckRequest(service="a"), "0a0161"),
        (wire.HealthCheckResponse(status=2), "0802"),
        (wire.HealthListResponse(statuses={"a": {"status": 1}}), "0a070a016112020801"),
        (wire.ReflectionRequest(host="h", file_by_filename="f"), "0a01681a0166"),
        (wire.ReflectionRequest(file_containing_symbol="s"), "220173"),
        (
            wire.ReflectionRequest(
                file_containing_extension={
                    "containing_type": "t",
                    "extension_number": 9,
                }
            ),
            "2a050a01741009",
        ),
        (wire.ReflectionRequest(all_extension_numbers_of_type="t"), "320174"),
        (wire.ReflectionRequest(list_services=""), "3a00"),
        (
            wire.ReflectionResponse(
                file_descriptor_response={"file_descriptor_proto": [b"x"]}
            ),
            "22030a0178",
        ),
        (
            wire.ReflectionResponse(
                all_extension_numbers_response={
                    "base_type_name": "t",
                    "extension_number": [7],
                }
            ),
            "2a060a0174120107",
        ),
        (
            wire.ReflectionResponse(
                list_services_response={"service": [{"name": "s"}]}
            ),
            "32050a030a0173",
        ),
        (
            wire.ReflectionResponse(
                error_response={"error_code": 5, "error_message": "m"}
            ),
            "3a05080512016d",
        ),
        (
            wire.ReflectionResponse(
                valid_host="h", original_request={"list_services": ""}
            ),
            "0a016812023a00",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_messages_have_the_official_numbers(message, octets):
    assert message.SerializeToString(deterministic=True).hex() == octets
