"""What the sandbox relay answers where aiosmtpd asks before it answers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosmtpd.smtp import Envelope, Session

from postroom_server.sandbox.relay_faults import Step

if TYPE_CHECKING:
    from postroom_server.sandbox.relay_dialogue import SandboxDialogue

EXTENSIONS = ("PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES", "DSN", "VRFY", "HELP")
"""Offered beside those that aiosmtpd knows of."""
MAIL_GROWS, RCPT_GROWS = 16 + 300, 36 + 500


class Hooks:
    """Where aiosmtpd asks before it answers; the dialogue comes first."""

    async def handle_EHLO(  # noqa: N802  aiosmtpd's name
        self,
        dialogue: SandboxDialogue,
        session: Session,
        _: Envelope,
        hostname: str,
        lines: list[str],
    ) -> list[str]:
        session.host_name = hostname
        told = dialogue.post.faults.next_reply(Step.EHLO)
        if told:
            return [told]
        # RFC 3461 §4: what its parameters add to a line.
        dialogue.command_size_limits["MAIL"] += MAIL_GROWS
        dialogue.command_size_limits["RCPT"] += RCPT_GROWS
        offered = [line for line in lines[:-1] if _is_true(line, dialogue)]
        return [_multiline("250", [*(line[4:] for line in offered), *EXTENSIONS])]

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self,
        dialogue: SandboxDialogue,
        _: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        told = dialogue.post.faults.next_reply(Step.MAIL, address)
        if told:
            return told
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        dialogue.envelope.asked.append(dialogue.asked)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self,
        dialogue: SandboxDialogue,
        _: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address == "<>":
            return "553 5.1.3 nobody is named"
        told = dialogue.post.faults.next_recipient_reply(address)
        if told:
            return told
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        dialogue.envelope.asked.append(dialogue.asked)
        return "250 2.1.5 Ok"

    async def handle_NOOP(  # noqa: N802  aiosmtpd's name
        self, dialogue: SandboxDialogue, *_: object
    ) -> str:
        return dialogue.post.faults.next_reply(Step.NOOP) or "250 2.0.0 Ok"

    async def handle_RSET(  # noqa: N802  aiosmtpd's name
        self, dialogue: SandboxDialogue, *_: object
    ) -> str:
        return dialogue.post.faults.next_reply(Step.RSET) or "250 2.0.0 Ok"


def _is_true(line: str, dialogue: SandboxDialogue) -> bool:
    """AUTH is offered by aiosmtpd even where there is nobody to be."""
    return not line.startswith("250-AUTH") or dialogue.post.credentials is not None


def _multiline(code: str, lines: list[str]) -> str:
    *first, last = lines
    return "\r\n".join([*(f"{code}-{line}" for line in first), f"{code} {last}"])
