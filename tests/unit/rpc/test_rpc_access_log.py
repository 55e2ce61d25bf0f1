from __future__ import annotations

import structlog
from postroom_server.rpc.access_log import CallRecord, log_call


def record(**facts):
    return CallRecord(
        **{
            "method": "DeliveryService/SendMessage",
            "code": "OK",
            "reason": "",
            "request_id": "r-1",
            "trace_id": "",
            "seconds": 0.1234567,
            "queue_seconds": 0.0,
            **facts,
        }
    )


def test_a_call_is_one_event_without_empty_facts():
    with structlog.testing.capture_logs() as logs:
        log_call(record())

    assert logs == [
        {
            "event": "rpc.call",
            "log_level": "info",
            "method": "DeliveryService/SendMessage",
            "code": "OK",
            "request_id": "r-1",
            "seconds": 0.123457,
            "queue_seconds": 0.0,
        }
    ]


def test_a_refusal_names_its_reason():
    with structlog.testing.capture_logs() as logs:
        log_call(record(code="UNAVAILABLE", reason="OVERLOADED", trace_id="4b"))

    assert (logs[0]["reason"], logs[0]["trace_id"]) == ("OVERLOADED", "4b")
