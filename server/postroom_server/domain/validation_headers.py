"""Which headers a caller may add, and which Message-ID a caller may choose.

Refused are all that a typed field sets, all that only a relay may write, and all that
describe the body: they are ours (threats A5 and A8).
"""

from __future__ import annotations

import re
from collections import Counter

from postroom_server.domain.draft import Header
from postroom_server.domain.limits import Limits
from postroom_server.domain.validation_problems import Problems
from postroom_server.domain.validation_text import check_line

MAX_VALUE = 4096
"""Characters of a header's value."""
MAX_MESSAGE_ID = 250
"""Octets of a Message-ID, angle brackets included."""

_NAME = re.compile(r"[!-9;-~]{1,76}")
_RESERVED = frozenset(
    {
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "return-path",
        "dkim-signature",
        "authentication-results",
        "delivered-to",
    }
)
_RESERVED_PREFIXES = ("resent-", "received", "arc-", "content-")
_AT_MOST_ONCE = ("in-reply-to", "references")  # RFC 5322 §3.6

_DOT_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
# RFC 5322 §3.6.4, without its obsolete forms and what looks like an encoded word.
_MESSAGE_ID = re.compile(rf"(?!.*=\?)<{_DOT_ATOM}@(?:{_DOT_ATOM}|\[[!-Z^-~]*\])>")


def check_headers(
    problems: Problems, headers: tuple[Header, ...], limits: Limits
) -> None:
    """Find what is wrong with the headers that have no field of their own."""
    if not headers:
        return
    limit = limits.max_headers
    if len(headers) > limit:
        problems.add(
            "message.headers", f"{len(headers):,} headers; at most {limit:,} allowed."
        )
    for i, header in enumerate(headers[:limit]):
        _check_name(problems, f"message.headers[{i}].name", header.name)
        check_line(problems, f"message.headers[{i}].value", header.value, MAX_VALUE)
    _check_repetition(problems, headers[:limit])


def check_message_id(problems: Problems, message_id: str) -> None:
    """Find what is wrong with the Message-ID; an empty one is to be generated."""
    if len(message_id) > MAX_MESSAGE_ID:
        problems.add(
            "message.message_id", f"Longer than {MAX_MESSAGE_ID} octets of ASCII."
        )
    elif message_id and not is_message_id(message_id):
        problems.add(
            "message.message_id", 'Must be ASCII of the form "<left@right>" (RFC 5322).'
        )


def is_message_id(text: str) -> bool:
    """Whether *text* is a Message-ID with its angle brackets."""
    return len(text) <= MAX_MESSAGE_ID and bool(_MESSAGE_ID.fullmatch(text))


def _check_name(problems: Problems, field: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        problems.add(
            field, 'A header name has 1 to 76 visible ASCII characters without ":".'
        )
    elif _is_reserved(name.lower()):
        problems.add(field, "This header is set by the service, or by relays only.")


def _is_reserved(name: str) -> bool:
    return name in _RESERVED or name.startswith(_RESERVED_PREFIXES)


def _check_repetition(problems: Problems, headers: tuple[Header, ...]) -> None:
    seen = Counter(header.name.lower() for header in headers)
    for name in _AT_MOST_ONCE:
        if seen[name] > 1:
            problems.add(
                "message.headers", f"{name.title()} may be given once only (RFC 5322)."
            )
