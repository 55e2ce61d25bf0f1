"""Secrets that can be recognised wherever they turn up, in whatever encoding."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

USER = "canary-user-51c8"
PASSWORD = "Canary/+%=&pass-7f3a"
TOKEN = "Canary.token/+_~e51d9=="
SUBJECT = "Canary subject ?&= 2be4"
BODY = "Canary body ?&= 90d7"
CREDENTIALS = {"user": USER, "password": PASSWORD, "token": TOKEN}
CONTENT = {"subject": SUBJECT, "body": BODY}


def hits(outputs: Mapping[str, bytes], secrets: Mapping[str, str]) -> list[str]:
    """Which of *secrets* can be read in which of *outputs*, in words."""
    return [
        f"{name} as {form} in {where}: {_around(octets, found)}"
        for where, octets in outputs.items()
        for name, secret in secrets.items()
        for form, found in forms(secret)
        if found in octets
    ]


def forms(secret: str) -> Iterator[tuple[str, bytes]]:
    """*secret* in each encoding by which it could be read."""
    raw = secret.encode()
    yield "text", raw
    yield "URL text", quote(secret, safe="").encode()
    yield "form text", quote_plus(secret).encode()
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    for shift in range(3):
        # In a longer text, such as that of AUTH PLAIN, all but the ends looks so.
        padded = base64.b64encode(b"\0" * shift + raw)
        start, end = (4 if shift else 0), len(padded) - 4
        yield f"base64 (+{shift})", padded[start:end]


def _around(octets: bytes, found: bytes) -> bytes:
    at = octets.index(found)
    return octets[max(0, at - 60) : at + len(found) + 20]
