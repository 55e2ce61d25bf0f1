"""One parser of addresses, whose result feeds check, header and RCPT (threat B1).

Placeholder surface; the rules follow.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """An addr-spec that was found valid.

    *given* is what the caller wrote; *local* is the local part as it goes on the wire
    (quoted where it must be); *domain* is the A-label form, lower case.
    """

    given: str
    local: str
    domain: str

    @property
    def wire(self) -> str:
        """The address as RCPT TO has it, without angle brackets."""
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """Equal for addresses that are one envelope recipient."""
        return self.wire

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a relay with SMTPUTF8 can take it (RFC 6531)."""
        return not self.local.isascii()
