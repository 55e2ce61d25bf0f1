"""`Client` and `AsyncClient` are one client in two colours."""

from __future__ import annotations

import inspect

import pytest
from postroom import AsyncClient, Client

METHODS = [name for name in dir(Client) if not name.startswith("_")]


AWAITED = " | AsyncMails[K]"
"""What the one for asyncio takes besides."""


def parameters(method):
    return [
        parameter.replace(annotation=str(parameter.annotation).replace(AWAITED, ""))
        for parameter in inspect.signature(method).parameters.values()
    ]


def test_they_have_the_same_methods():
    assert [name for name in dir(AsyncClient) if not name.startswith("_")] == METHODS


@pytest.mark.parametrize("name", [*METHODS, "__init__"])
def test_their_methods_take_the_same(name):
    twins = getattr(Client, name), getattr(AsyncClient, name)

    assert parameters(twins[0]) == parameters(twins[1])


@pytest.mark.parametrize("name", METHODS)
def test_their_methods_give_the_same(name):
    given = inspect.signature(getattr(Client, name)).return_annotation
    awaited = inspect.signature(getattr(AsyncClient, name)).return_annotation

    assert awaited == given.replace("Iterator", "AsyncIterator")


@pytest.mark.parametrize("name", [*METHODS, "__init__"])
def test_their_methods_say_the_same(name):
    twins = getattr(Client, name), getattr(AsyncClient, name)

    assert inspect.getdoc(twins[0])
    assert inspect.getdoc(twins[0]) == inspect.getdoc(twins[1])


@pytest.mark.parametrize("name", sorted({*METHODS} - {"list", "watch", "send_many"}))
def test_the_calls_of_one_are_awaited(name):
    assert inspect.iscoroutinefunction(getattr(AsyncClient, name))
    assert not inspect.iscoroutinefunction(getattr(Client, name))
