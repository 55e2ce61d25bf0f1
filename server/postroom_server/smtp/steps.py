"""The steps of a transaction, each by a name of its own.

They are asked for some thirty times a mail, and to ask an enumeration for its member
costs as much as a call (Python 3.11).
"""

from __future__ import annotations

from postroom_server.domain.attempt import Phase

__all__ = ["BODY", "DATA", "END_OF_DATA", "MAIL", "RCPT", "RSET"]

MAIL = Phase.MAIL
RCPT = Phase.RCPT
DATA = Phase.DATA
BODY = Phase.BODY
END_OF_DATA = Phase.END_OF_DATA
RSET = Phase.RSET
