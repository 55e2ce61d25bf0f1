"""Text that came from elsewhere, made safe to show."""

from __future__ import annotations


def printable(raw: bytes | str, limit: int) -> str:
    r"""*raw* with controls and non-UTF-8 as ``\xNN``, cut to *limit* octets.

    Relays are not trusted: their words reach logs, terminals and callers (threats
    C8 and D6).
    """
    if isinstance(raw, str) and 4 * len(raw) <= limit and raw.isprintable():
        # Most texts, at a tenth of the price.
        return raw
    # No octet becomes less than one, so what follows is cut off in any case.
    raw = raw[: limit + 1]
    if isinstance(raw, bytes):
        raw = raw.decode("utf-8", "backslashreplace")
    visible = raw if raw.isprintable() else "".join(map(_visible, raw))
    return clipped(visible, limit)


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return "".join(f"\\x{octet:02x}" for octet in character.encode("utf-8", "replace"))


def clipped(text: str, limit: int) -> str:
    """*text* cut to at most *limit* octets of UTF-8, between characters."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text
    return raw[: limit - 3].decode("utf-8", "ignore") + "…"
