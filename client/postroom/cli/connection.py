"""`postroom test`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from postroom.cli.session import ExitCode, JsonFlag, session
from postroom.cli.show import plain, table, when, word
from postroom.reports import ConnectionReport, TlsReport


def try_connection(
    context: typer.Context,
    relay: Annotated[
        str | None,
        typer.Argument(metavar="RELAY", help="The relay. Default: the default."),
    ] = None,
    *,
    verify_sender: Annotated[
        str, typer.Option(metavar="ADDRESS", help="An address to ask the relay about.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Test the way to a relay, stage by stage, without sending mail."""
    with session(context, as_json=as_json) as asked:
        report = asked.client.test_connection(relay, verify_sender=verify_sender)
        asked.show(report, _show)
        if not report.ok:
            raise typer.Exit(ExitCode.NOT_DELIVERED)


def _show(out: Console, report: ConnectionReport) -> None:
    rows = table("STAGE", "RESULT", "TIME", "")
    for stage in report.stages:
        rows.add_row(
            stage.phase.value,
            word(stage.result),
            f"{stage.duration * 1000:.0f} ms",
            plain(stage.reply or stage.detail),
        )
    out.print(rows)
    out.print()
    if report.tls:
        out.print(plain(_tls(report.tls)))
    if report.extensions:
        out.print(plain(f"offers {', '.join(report.extensions)}"))
    out.print(plain(f"{report.relay}: {report.diagnosis}"))


def _tls(tls: TlsReport) -> str:
    trust = "verified" if tls.verified else f"NOT verified: {tls.problem}"
    until = tls.certificate.not_after if tls.certificate else None
    return f"{tls.version} {tls.cipher}, {trust}, certificate valid to {when(until)}"
