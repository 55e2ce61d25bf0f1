"""What a relay offered in its EHLO reply (RFC 5321 §4.1.1.1).

After HELO, and until EHLO was repeated after STARTTLS, nothing is offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import MappingProxyType

from postroom_server.domain.text import printable

_SIZE_DIGITS = 20  # RFC 1870 §3
_LARGEST_SIZE = 2**63 - 1
"""What the contract can tell; no mail is that large."""
_LONGEST_LINE = 512
"""Octets of a line that are shown."""


@dataclass(frozen=True, slots=True)
class Extensions:
    """Keywords, upper case, each with its parameters as the relay wrote them."""

    keywords: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    size_limit: int | None = field(init=False, compare=False)
    """The largest mail in octets; 0: no fixed limit; None: SIZE not offered."""
    # Asked for with every mail, of what all sessions with a relay share.
    pipelining: bool = field(init=False, compare=False)
    chunking: bool = field(init=False, compare=False)
    eight_bit_mime: bool = field(init=False, compare=False)
    smtputf8: bool = field(init=False, compare=False)
    """Whether UTF-8 mail may be sent; RFC 6531 §3.1 asks for 8BITMIME as well."""
    dsn: bool = field(init=False, compare=False)

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Extensions:
        """The extensions in the *lines* of an EHLO reply; the first line greets."""
        return _offered(tuple(lines)[1:])

    @classmethod
    def _of(cls, lines: tuple[bytes, ...]) -> Extensions:
        found: dict[str, tuple[str, ...]] = {}
        for line in lines:
            words = line.decode("ascii", "replace").split()
            if words:
                keyword, *parameters = _modern(words)
                known = found.get(keyword.upper(), ())
                found[keyword.upper()] = known + tuple(parameters)
        return cls(MappingProxyType(found))

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @property
    def lines(self) -> tuple[str, ...]:
        """Each keyword with its parameters, as one line that is safe to show."""
        return tuple(
            printable(" ".join((k, *v)), _LONGEST_LINE)
            for k, v in self.keywords.items()
        )

    @property
    def starttls(self) -> bool:
        return "STARTTLS" in self

    @property
    def vrfy(self) -> bool:
        return "VRFY" in self

    @property
    def enhanced_status_codes(self) -> bool:
        return "ENHANCEDSTATUSCODES" in self

    @property
    def auth_mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms, upper case, in the relay's order, each once."""
        return tuple(dict.fromkeys(m.upper() for m in self.keywords.get("AUTH", ())))

    def __post_init__(self) -> None:
        utf8 = "SMTPUTF8" in self and "8BITMIME" in self
        note = partial(object.__setattr__, self)
        note("size_limit", _size_limit(self.keywords))
        note("pipelining", "PIPELINING" in self)
        note("chunking", "CHUNKING" in self)
        note("eight_bit_mime", "8BITMIME" in self)
        note("smtputf8", utf8)
        note("dsn", "DSN" in self)

    def takes(self, size: int) -> bool:
        """Whether a mail of *size* octets is within SIZE."""
        return not self.size_limit or size <= self.size_limit


def _size_limit(keywords: Mapping[str, tuple[str, ...]]) -> int | None:
    if "SIZE" not in keywords:
        return None
    number = next(iter(keywords["SIZE"]), "0")
    valid = number.isascii() and number.isdigit() and len(number) <= _SIZE_DIGITS
    return min(int(number), _LARGEST_SIZE) if valid else 0


def _modern(words: list[str]) -> list[str]:
    # Relays older than RFC 4954 write ``AUTH=LOGIN PLAIN``.
    first = words[0]
    if first.upper().startswith("AUTH="):
        return ["AUTH", *filter(None, [first[5:]]), *words[1:]]
    return words


@lru_cache(maxsize=64)
def _offered(lines: tuple[bytes, ...]) -> Extensions:
    """All sessions with a relay share what it offers."""
    return Extensions._of(lines)  # noqa: SLF001  the same module


NOTHING_OFFERED = Extensions()
