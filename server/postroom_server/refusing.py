"""What the command `postroomd` says when it can't go on, for operators."""

from __future__ import annotations

from postroom_server.config import Config
from postroom_server.rpc.listening import ListenError, refuse_exposed
from postroom_server.rpc.settings import RpcSettings


def in_words(error: Exception) -> str:
    """What *error* says: of a file which one it is, and no number."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def exposure(
    config: Config, *, insecure_plaintext: bool, insecure_tokens: bool
) -> str | None:
    """Why a service of *config* would refuse to listen; None: it would not.

    The two options are those of the command line, as in `RpcSettings`.
    """
    settings = RpcSettings(
        listen=config.listen,
        insecure_plaintext=insecure_plaintext,
        insecure_tokens=insecure_tokens,
        tls=config.server.tls,
        credentials=config.credentials,
    )
    try:
        refuse_exposed(settings)
    except ListenError as error:
        return str(error)
    return None
