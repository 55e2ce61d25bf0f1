"""The arguments of a client in the environment of a process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, get_args

from postroom.arguments import ClientArguments

_Text = Literal["target", "token", "token_file", "ca_file", "cert_file", "key_file"]
_TEXTS: tuple[_Text, ...] = get_args(_Text)
_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def from_environment(environ: Mapping[str, str] = os.environ) -> ClientArguments:
    """Arguments of `Client` and `AsyncClient`, as far as *environ* has them.

    ::

        client = Client(**from_environment())

    POSTROOM_TARGET, POSTROOM_PLAINTEXT (1 or 0), POSTROOM_TOKEN, POSTROOM_TOKEN_FILE,
    POSTROOM_CA_FILE, POSTROOM_CERT_FILE and POSTROOM_KEY_FILE; what is empty counts as
    missing.  Raises `ValueError` for a truth that is none.
    """
    found = ClientArguments()
    for name in _TEXTS:
        if text := environ.get(f"POSTROOM_{name.upper()}"):
            found[name] = text
    if plaintext := environ.get("POSTROOM_PLAINTEXT"):
        if plaintext.lower() not in _WORDS:
            raise ValueError("POSTROOM_PLAINTEXT must be 1 or 0")
        found["plaintext"] = _WORDS[plaintext.lower()]
    return found
