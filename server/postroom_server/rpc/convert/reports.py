"""What would be sent: the answer to `validate_only`."""

from __future__ import annotations

from postroom.v1 import send_pb2 as wire

from postroom_server.domain.submission import ValidationReport


def validation_report(report: ValidationReport) -> wire.ValidationReport:
    """*report* as the contract has it."""
    return wire.ValidationReport(
        size_bytes=report.size_bytes,
        relay=report.relay,
        envelope_from=report.envelope_from,
        recipients=[
            wire.RecipientPlan(
                address=plan.address, envelope_address=plan.envelope_address
            )
            for plan in report.recipients
        ],
        warnings=report.warnings,
    )
