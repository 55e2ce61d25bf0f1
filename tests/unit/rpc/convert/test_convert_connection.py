from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import connection_pb2
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.clock import Instant
from postroom_server.domain.reply import Reply
from postroom_server.rpc.convert.connection import connection_report
from postroom_server.smtp.certificate import Certificate
from postroom_server.smtp.probe_report import ProbeReport, Stage, StageResult
from postroom_server.smtp.tls_report import TlsReport

from tests.support.wire_fields import unset

CERTIFICATE = Certificate(
    subject="CN=smtp.example.com",
    issuer="CN=Some CA",
    names=("smtp.example.com", "192.0.2.1"),
    not_before=Instant(1_000_000),
    not_after=Instant(2_000_000),
    sha256=b"\x07" * 32,
)
TLS = TlsReport(
    version="TLSv1.3",
    cipher="TLS_AES_256_GCM_SHA384",
    verified=True,
    problem="odd",
    certificate=CERTIFICATE,
)
DNS = Stage(phase=Phase.DNS, result=StageResult.OK, detail="1 address", seconds=0.25)
VRFY = Stage(
    phase=Phase.VRFY,
    result=StageResult.WARNING,
    reply=Reply(252, "2.0.0", "perhaps", Phase.VRFY),
    detail="not verified",
    reason=FailureReason.NOT_SUPPORTED,
    seconds=0.5,
)
REPORT = ProbeReport(
    stages=(VRFY, DNS),
    tls=TLS,
    extensions=("PIPELINING", "SIZE 1000"),
    auth_mechanism="PLAIN",
    size_limit=1000,
    seconds=1.5,
)


def test_no_field_of_a_report_is_forgotten():
    found = connection_report(replace(REPORT, stages=(VRFY,)), "relays/main")

    assert list(unset(found)) == []


def test_stages_stay_in_order():
    stages = connection_report(REPORT, "relays/main").stages

    assert [(s.phase, s.result, s.detail) for s in stages] == [
        (Phase.VRFY, connection_pb2.STAGE_RESULT_WARNING, "not verified"),
        (Phase.DNS, connection_pb2.STAGE_RESULT_OK, "1 address"),
    ]
    assert [s.duration.ToMilliseconds() for s in stages] == [500, 250]


def test_a_stage_without_a_reply_has_none():
    stages = connection_report(REPORT, "relays/main").stages

    assert [s.HasField("reply") for s in stages] == [True, False]


def test_a_failed_stage_is_not_ok():
    broken = replace(DNS, result=StageResult.FAILED)
    found = connection_report(replace(REPORT, stages=(broken,)), "relays/main")

    assert not found.ok
    assert found.diagnosis


def test_a_certificate_keeps_what_it_says():
    found = connection_report(REPORT, "relays/main").tls.certificate

    assert (found.subject, found.issuer) == ("CN=smtp.example.com", "CN=Some CA")
    assert list(found.names) == ["smtp.example.com", "192.0.2.1"]
    assert (found.not_before, found.not_after) == (
        Timestamp(seconds=1),
        Timestamp(seconds=2),
    )
    assert found.sha256 == b"\x07" * 32


def test_without_tls_there_is_no_report_of_it():
    assert not connection_report(replace(REPORT, tls=None), "relays/main").HasField(
        "tls"
    )


def test_an_unread_certificate_is_unset():
    report = replace(REPORT, tls=replace(TLS, certificate=None))

    assert not connection_report(report, "relays/main").tls.HasField("certificate")


@pytest.mark.parametrize(("limit", "is_set"), [(None, False), (0, True), (1000, True)])
def test_a_size_without_a_limit_is_told_apart_from_none(limit, is_set):
    found = connection_report(replace(REPORT, size_limit=limit), "relays/main")

    assert found.HasField("size_limit_bytes") is is_set
    assert found.size_limit_bytes == (limit or 0)


def test_every_result_of_a_stage_has_its_number_in_the_contract():
    assert {r.value for r in StageResult} == {*connection_pb2.StageResult.values()}
