"""Texts that try to become more than the text of one field."""

from __future__ import annotations

import json
import random
from pathlib import Path

ENDS = ("\n", "\r", "\r\n")
SMUGGLED = "MAIL FROM:<eve@example.net>\r\nRCPT TO:<eve@example.net>\r\nDATA\r\n"
SMUGGLING = [f"a{before}.{after}{SMUGGLED}" for before in ENDS for after in ENDS]
"""The published ends of data that some servers honour (CVE-2023-51764 to -51766,
CVE-2024-27305)."""

_BCC = "Bcc: eve@example.net"
INJECTIONS = [
    *(f"a{end}{_BCC}" for end in (*ENDS, "\n\n", "\r\n\r\n", "\r\n ", "\n\t")),
    # What some library, somewhere, takes for the end of a line.
    *(f"a{c}{_BCC}" for c in "\x00\x01\x08\x0b\x0c\x1a\x1b\x1c\x1d\x1e\x7f\x85"),
    *(f"a{c}{_BCC}" for c in "\u2028\u2029\u202e\u200b\ufeff\u560a\u560d"),
    "A \U0001f4a9 subject=?UTF-8?Q?=0A?=" + _BCC,
    f"=?utf-8?q?=0D=0A{_BCC.replace(' ', '_')}?=",
    "=?utf-8?b?DQpCY2M6IGV2ZUBleGFtcGxlLm5ldA==?=",
    "=?utf-8?B?????=",
    f"%0d%0a{_BCC}",
    "hello\n",
    "\r\n",
    'a"; filename="b.exe',
    'a"\r\nContent-Type: text/html',
    "a>, <eve@example.net",
    "a> SIZE=1",
    "eve@example.net, eve@example.org",
    '"x> ORCPT=rfc822;eve@example.net"@example.com',
    '"a\r\nRCPT TO:<eve@example.net>"@example.com',
    "a@example.com\r\nRCPT TO:<eve@example.net>",
    "a@good.example(x)evil.example",
    "<a@example.com>,<eve@example.net>",
    "group: eve@example.net;",
    "@a.example:eve@example.net",
    "a\\",
    "(a",
    "x" * 5000,
    " " * 500,
    "../../etc/passwd",
    "--" + "=" * 60,
]


def naughty_strings(corpora: Path, count: int) -> list[str]:
    """*count* of the big list of naughty strings, the same ones in every run."""
    text = (corpora / "payloads" / "blns.json").read_text(encoding="utf-8")
    strings = [s for s in json.loads(text) if s]
    if count >= len(strings):
        return strings
    return random.Random(5).sample(strings, count)
