"""A service as the settings of a framework describe it: one client, and defaults.

All who name the same service in the same way share one client in a process.  It is
made with the first mail, never at import, and a child of `fork` makes its own: a
connection does not survive a fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from postroom._problems import Problems
from postroom.arguments import MailArguments, SendArguments
from postroom.client import Client
from postroom.messages import RawMessage
from postroom.results import DeliveryResult

PLACE = (
    "target",
    "timeout",
    "max_attempts",
    "plaintext",
    "ca_file",
    "cert_file",
    "key_file",
    "token",
    "token_file",
)
"""Arguments of `Client`."""
DEFAULTS = (
    "from_",
    "reply_to",
    "envelope_from",
    "relay",
    "completion",
    "wait_timeout",
    "retry",
    "on_uncertain",
    "all_recipients_or_none",
)
"""Arguments of `Client.send` that can be set for all mails."""

Place = tuple[tuple[str, Any], ...]
# Those of a parent process stay where they are: to close them is the parent's to do.
_clients: dict[tuple[int, Place], Client] = {}


@dataclass(frozen=True, slots=True)
class Service:
    """Where mail goes, and what holds for each that does not say otherwise."""

    # It may hold a token.
    place: Place = field(repr=False)
    defaults: SendArguments

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """The service that *options* describe; None counts as not given.

        Raises `TypeError` for an option that there is not.
        """
        given = {name: value for name, value in options.items() if value is not None}
        for name in sorted(given.keys() - {*PLACE, *DEFAULTS}):
            raise TypeError(f"there is no option {name!r}")
        place = tuple((name, given.pop(name)) for name in PLACE if name in given)
        return cls(place, cast(SendArguments, given))

    @property
    def client(self) -> Client:
        """The client of this process for it.

        Raises `ValueError` for a target beyond this machine unless *plaintext* is set.
        """
        owner = (os.getpid(), self.place)
        client = _clients.get(owner)
        if client is not None:
            return client
        made = Client(**dict(self.place))
        # Of threads that come at once one wins; a dictionary needs no lock for that.
        kept = _clients.setdefault(owner, made)
        if kept is not made:
            made.close()
        return kept

    def send(self, mail: SendArguments) -> DeliveryResult:
        """Send *mail*; raises as `Client.send` does."""
        return self.client.send(**self.completed(mail))

    def send_raw(self, raw: RawMessage, given: Mapping[str, Any]) -> DeliveryResult:
        """Send what is composed already; raises as `Client.send` does.

        *given* are options; of the defaults those that make up a mail have no effect.
        Raises `InvalidRequest` where *given* has a part of a mail.
        """
        parts = MailArguments.__optional_keys__
        problems = Problems()
        for name in sorted(given.keys() & parts):
            problems.add(name, "can't be set for a mail that is composed already")
        problems.raise_any()
        defaults = {k: v for k, v in self.defaults.items() if k not in parts}
        envelope_from = self.defaults.get("envelope_from")
        if envelope_from:
            raw = replace(raw, envelope_from=envelope_from)
        return self.client.send(raw, **cast(SendArguments, {**defaults, **given}))

    def completed(self, mail: SendArguments) -> SendArguments:
        """*mail* with the defaults for what it leaves out."""
        whole = self.defaults.copy()
        whole.update(mail)
        return whole


def options_from(look_up: Callable[[str], Any]) -> dict[str, Any]:
    """All options, from settings such as POSTROOM_TARGET and POSTROOM_FROM."""
    names = (*PLACE, *DEFAULTS)
    return {name: look_up(f"POSTROOM_{name.rstrip('_').upper()}") for name in names}


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Say what to install where the framework that *extra* names is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != extra:
            raise
        advice = f"postroom.{extra} needs an extra: pip install 'postroom[{extra}]'"
        raise ModuleNotFoundError(advice, name=extra) from error
