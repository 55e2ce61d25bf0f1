"""The parameters that ask a relay for notifications (RFC 3461 §4, RFC 6533 §3).

They are sent only where DSN is offered.  What callers chose is in them as xtext, in
which a space, a plus, an equals sign and whatever else could end a parameter or begin
another one is spelt in hexadecimal.
"""

from __future__ import annotations

import re

from postroom_server.domain.dsn import Dsn, DsnReturn

_RETURNS = {DsnReturn.FULL: "FULL", DsnReturn.HEADERS: "HDRS"}
# RFC 3461 §4: xchar is any of "!" to "~" but "+" and "=".
_NO_XCHAR = re.compile(r"[^!-*,-<>-~]")
# RFC 6533 §3: QUCHAR adds what is not ASCII, and has no backslash.
_NO_QUCHAR = re.compile(r"[\x00-\x20+=\\\x7f]")


def xtext(text: str) -> str:
    """*text*, which is ASCII, as xtext."""
    return _NO_XCHAR.sub(lambda found: f"+{ord(found[0]):02X}", text)


def unitext(text: str) -> str:
    """*text* as utf-8-addr-unitext, for transactions with SMTPUTF8."""
    return _NO_QUCHAR.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", text)


def mail_parameters(dsn: Dsn | None) -> list[str]:
    """What MAIL says of *dsn*; nothing for None."""
    if dsn is None:
        return []
    kind = _RETURNS.get(dsn.return_content)
    identity = [f"ENVID={xtext(dsn.envelope_id)}"] if dsn.envelope_id else []
    return [*([f"RET={kind}"] if kind else []), *identity]


def rcpt_parameters(dsn: Dsn | None, address: str) -> list[str]:
    """What RCPT says of *dsn* for *address*; nothing for None."""
    if dsn is None:
        return []
    times = ",".join(time.name for time in dsn.notify)
    notify = [f"NOTIFY={times}"] if times else []
    if address.isascii():
        return [*notify, f"ORCPT=rfc822;{xtext(address)}"]
    return [*notify, f"ORCPT=utf-8;{unitext(address)}"]
