"""How recipients may unsubscribe, as the List-Unsubscribe headers say it.

One https URI and one address at most (RFC 2369, RFC 8058 §3.1).  What is wrong with a
URI is told without repeating it: it is meant to be hard to guess.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from postroom_server.domain.draft import Header, UnsubscribeDraft
from postroom_server.domain.message import Unsubscribe
from postroom_server.domain.validation_addresses import check_address
from postroom_server.domain.validation_problems import Problems

FIELD = "message.unsubscribe"
MAX_URL = 2048
"""Octets of the URI."""

_HEADERS = frozenset({"list-unsubscribe", "list-unsubscribe-post"})
# RFC 3986 §2: what is neither reserved nor unreserved is percent-encoded.
_URI = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+")


def check_unsubscribe(
    problems: Problems, draft: UnsubscribeDraft | None, headers: tuple[Header, ...]
) -> Unsubscribe | None:
    """What *draft* asks for; *headers* of the caller must not say it too."""
    if draft is None:
        return None
    if not draft.url and not draft.mailto:
        problems.add(FIELD, "One of url and mailto is required.")
    if draft.one_click and not draft.url:
        problems.add(f"{FIELD}.one_click", "Needs url (RFC 8058).")
    if draft.url:
        _check_url(problems, draft.url)
    mailto = None
    if draft.mailto:
        mailto = check_address(problems, f"{FIELD}.mailto", draft.mailto)
    for place, header in enumerate(headers):
        if header.name.lower() in _HEADERS:
            field = f"message.headers[{place}].name"
            problems.add(field, "This header is set by unsubscribe.")
    return Unsubscribe(draft.url, mailto, one_click=draft.one_click)


def _check_url(problems: Problems, url: str) -> None:
    field = f"{FIELD}.url"
    if len(url) > MAX_URL:
        problems.add(field, f"Longer than {MAX_URL:,} octets.")
    elif not _URI.fullmatch(url):
        problems.add(field, "Must be ASCII without spaces; encode other characters.")
    elif not _is_https(url):
        problems.add(field, 'Must look like "https://host/path" (RFC 3986).')


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and _leads_to_a_host(parts)
    except ValueError:  # of brackets that hold no address, and of a port that is none
        return False


def _leads_to_a_host(parts: SplitResult) -> bool:
    # RFC 9110 §4.2.4: no user and no password.  A port may be left out, not be 0.
    named = parts.hostname is not None and bool(_HOST.fullmatch(parts.hostname))
    return named and "@" not in parts.netloc and parts.port != 0
