"""What a test of the way to a relay found, as the contract has it."""

from __future__ import annotations

from postroom.v1 import connection_pb2 as wire

from postroom_server.rpc.convert.attempts import number, smtp_reply
from postroom_server.rpc.convert.times import duration, timestamp
from postroom_server.smtp.certificate import Certificate
from postroom_server.smtp.probe_report import ProbeReport, Stage
from postroom_server.smtp.tls_report import TlsReport


def connection_report(report: ProbeReport, relay: str) -> wire.TestConnectionResponse:
    """*report* on the relay named *relay* ("relays/main")."""
    return wire.TestConnectionResponse(
        ok=report.ok,
        relay=relay,
        stages=map(_stage, report.stages),
        tls=None if report.tls is None else _tls(report.tls),
        extensions=report.extensions,
        auth_mechanism=report.auth_mechanism,
        size_limit_bytes=report.size_limit,
        diagnosis=report.diagnosis,
        duration=duration(report.seconds),
    )


def _stage(stage: Stage) -> wire.ConnectionStage:
    return wire.ConnectionStage(
        phase=number(stage.phase),
        result=number(stage.result),
        reply=smtp_reply(stage.reply),
        detail=stage.detail,
        reason=number(stage.reason),
        duration=duration(stage.seconds),
    )


def _tls(tls: TlsReport) -> wire.TlsReport:
    found = tls.certificate
    return wire.TlsReport(
        version=tls.version,
        cipher=tls.cipher,
        verified=tls.verified,
        problem=tls.problem,
        certificate=None if found is None else _certificate(found),
    )


def _certificate(found: Certificate) -> wire.Certificate:
    return wire.Certificate(
        subject=found.subject,
        issuer=found.issuer,
        names=found.names,
        not_before=timestamp(found.not_before),
        not_after=timestamp(found.not_after),
        sha256=found.sha256,
    )
