"""The List-Unsubscribe headers (RFC 2369 §3.2, RFC 8058 §3.1)."""

from __future__ import annotations

from urllib.parse import quote

from postroom_server.domain.address import Address
from postroom_server.domain.message import Unsubscribe
from postroom_server.mail.fields import Field
from postroom_server.mail.words import FOLD

LONGEST_WHOLE = 900
"""Characters of a URI that are not broken: with its name it is within a line's 998.
A longer one is folded; readers drop white space between the brackets (RFC 2369 §2)."""

_NAME = "List-Unsubscribe"
_LINE = 78
_AS_THEY_ARE = "!$'*+"  # RFC 6068 §2


def unsubscribe_fields(asked: Unsubscribe | None) -> list[Field]:
    """The fields that *asked* becomes; none for None."""
    if asked is None:
        return []
    uris = [asked.url] if asked.url else []
    if asked.mailto is not None:
        uris.append(mailto(asked.mailto))
    shown = ",".join(FOLD * bool(place) + _shown(u) for place, u in enumerate(uris))
    fits = len(_NAME) + 2 + len(shown.partition("\r\n")[0]) <= _LINE
    fields = [(_NAME, shown if fits else f"{FOLD}{shown}")]
    if asked.one_click:
        fields.append((f"{_NAME}-Post", f"{_NAME}=One-Click"))
    return fields


def mailto(address: Address) -> str:
    """The URI of *address* (RFC 6068), ASCII whatever it is."""
    return f"mailto:{quote(address.local, safe=_AS_THEY_ARE)}@{address.domain}"


def _shown(uri: str) -> str:
    whole = f"<{uri}>"
    if len(whole) <= LONGEST_WHOLE:
        return whole
    starts = range(0, len(whole), LONGEST_WHOLE)
    return FOLD.join(whole[start : start + LONGEST_WHOLE] for start in starts)
