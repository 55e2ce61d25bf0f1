"""Both clients under one interface, so that one test serves both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any, Self

from postroom import AsyncClient, Client


class Awaited:
    """An `AsyncClient` to call like a `Client`: each call runs the loop to its end."""

    def __init__(self, runner: asyncio.Runner, *arguments: Any, **options: Any) -> None:
        self.twin = AsyncClient(*arguments, **options)
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.twin, name)
        return self._waiting(member) if callable(member) else member

    def __enter__(self) -> Self:
        self._runner.run(self.twin.__aenter__())
        return self

    def __exit__(self, *trouble: object) -> None:
        self._runner.run(self.twin.__aexit__(*trouble))

    def _waiting(self, method: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            found = method(*arguments, **options)
            if inspect.isasyncgen(found):
                return self._each(found)
            return self._runner.run(found)

        return call

    def _each(self, found: Any) -> Iterator[Any]:
        end = object()
        while (one := self._runner.run(_next(found, end))) is not end:
            yield one


async def _next(found: Any, end: object) -> Any:
    return await anext(found, end)


def skip_pauses(client: Client | Awaited, pauses: list[float]) -> None:
    """Keep *client* from waiting between attempts; *pauses* tells how long it would."""

    def skip(delay: float) -> bool:
        return bool(pauses.append(delay))

    async def skip_soon(delay: float) -> bool:
        return skip(delay)

    if isinstance(client, Awaited):
        client.twin._calls.pause = skip_soon
    else:
        client._calls.pause = skip
