"""Command lines from typed values: the only place that writes them (threat A7).

Nothing is repaired: an argument that could end a line, start another one or pass for a
parameter is refused.  Limits: RFC 5321 §4.5.3.1.4, and what each extension adds (RFC
1870 §3, RFC 3461 §4, RFC 4954 §4, RFC 6152 §2, RFC 6531 §3.1).
"""

from __future__ import annotations

import re
from enum import StrEnum


class UnsafeCommand(ValueError):
    """The arguments can't be put on one line; the message never holds them."""


class Verb(StrEnum):
    """The commands that we use."""

    EHLO = "EHLO"
    HELO = "HELO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BDAT = "BDAT"
    RSET = "RSET"
    NOOP = "NOOP"
    VRFY = "VRFY"
    QUIT = "QUIT"


MAX_LINE = 512
"""Octets of a command, CRLF included."""
MAX_AUTH_LINE = 12_288
_DSN_MAIL = len(" RET=FULL ENVID=") + 3 * 100
_DSN_RCPT = len(" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=") + 500
_LIMITS = dict.fromkeys(Verb, MAX_LINE) | {
    Verb.AUTH: MAX_AUTH_LINE,
    Verb.MAIL: MAX_LINE + 26 + 17 + 10 + _DSN_MAIL,
    Verb.RCPT: MAX_LINE + _DSN_RCPT,
    Verb.VRFY: MAX_LINE + 10,
}
# Those of each mail: to ask an enumeration for its member costs as much as a call.
_MAIL = Verb.MAIL
_RCPT = Verb.RCPT

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
# What would end a path or begin a parameter outside a quoted string.
_UNSAFE_IN_PATH = re.compile(r'[ <>"\\]')


def command(verb: Verb, *arguments: str, utf8: bool = False) -> bytes:
    """The line of *verb* and *arguments*, CRLF included.

    *utf8* allows non-ASCII (SMTPUTF8).  Raises `UnsafeCommand`.
    """
    line = " ".join((verb, *arguments))
    if _CONTROL.search(line):
        raise UnsafeCommand(f"a control character in {verb}")
    if not utf8 and not line.isascii():
        raise UnsafeCommand(f"non-ASCII text in {verb}")
    octets = continuation_line(line, verb)
    if len(octets) > _LIMITS[verb]:
        raise UnsafeCommand(f"{verb} of more than {_LIMITS[verb]} octets")
    return octets


def continuation_line(text: str, verb: Verb) -> bytes:
    """*text* as a line of the dialogue that *verb* began.  Raises `UnsafeCommand`."""
    try:
        return text.encode() + b"\r\n"
    except UnicodeEncodeError:
        raise UnsafeCommand(f"text without UTF-8 form in {verb}") from None


def mail(reverse_path: str, *parameters: str, utf8: bool = False) -> bytes:
    """``MAIL FROM``; an empty *reverse_path* is the null one."""
    path = f"FROM:{_path(reverse_path, _MAIL)}"
    return command(_MAIL, path, *parameters, utf8=utf8)


def rcpt(address: str, *parameters: str, utf8: bool = False) -> bytes:
    """``RCPT TO`` one address."""
    if not address:
        raise UnsafeCommand("an empty address in RCPT")
    path = f"TO:{_path(address, _RCPT)}"
    return command(_RCPT, path, *parameters, utf8=utf8)


def bdat_last(octets: int) -> bytes:
    """The command before the only chunk of a mail (RFC 3030 §2)."""
    return b"BDAT %d LAST\r\n" % octets


def _path(address: str, verb: Verb) -> str:
    # ``a@b> SIZE=1`` must not become a path and a parameter (threat B2).
    bare = _QUOTED.sub("", address) if '"' in address else address
    if _UNSAFE_IN_PATH.search(bare):
        raise UnsafeCommand(f"an address that is no path in {verb}")
    return f"<{address}>"
