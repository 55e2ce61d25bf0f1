"""Which links a mail has: of HTML the targets, of plain text what looks like a URL."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_URL = re.compile(r"https?://[^\s<>\"'\[\]{}|\\^`]+")
_AFTER = ".,;:!?"


def links_in(html: str, text: str) -> tuple[str, ...]:
    """All links of *html*, then those of *text*, each once."""
    targets = _Targets()
    targets.feed(html)
    targets.close()
    found = [*targets.found, *map(_trimmed, _URL.findall(text))]
    return tuple(dict.fromkeys(found))


class _Targets(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") if tag in {"a", "area"} else None
        if target and not target.startswith("#"):
            self.found.append(target.strip())


def _trimmed(url: str) -> str:
    """*url* without what ends the sentence or the brackets around it."""
    trimmed = url.rstrip(_AFTER)
    while trimmed.endswith(")") and trimmed.count(")") > trimmed.count("("):
        trimmed = trimmed[:-1].rstrip(_AFTER)
    return trimmed
