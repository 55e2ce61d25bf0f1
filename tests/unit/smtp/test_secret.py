from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest
from postroom_server.domain.secret import Secret

CANARY = "canary-3f9a"


@pytest.mark.parametrize(
    "shown",
    [
        str,
        repr,
        "{}".format,
        "%s".__mod__,
        "{:>20}".format,
        lambda s: repr([s]),
        lambda s: repr({"k": s}),
    ],
)
def test_a_secret_is_not_shown(shown):
    assert CANARY not in shown(Secret(CANARY))


@pytest.mark.parametrize("taken", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_not_copied_out(taken):
    with pytest.raises(TypeError):
        taken(Secret(CANARY))


def test_a_secret_is_not_logged(caplog):
    logging.getLogger("test").warning("password %s", Secret(CANARY))

    assert CANARY not in caplog.text


def test_a_secret_is_told_by_one_method_alone():
    assert Secret(CANARY).reveal() == CANARY


def test_secrets_are_equal_when_their_texts_are():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@pytest.mark.parametrize(("text", "there"), [("", False), ("a", True)])
def test_an_empty_secret_is_false(text, there):
    assert bool(Secret(text)) is there
