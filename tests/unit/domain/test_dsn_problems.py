"""Which notifications may be asked for."""

from __future__ import annotations

import pytest
from postroom_server.domain.dsn import Dsn, DsnNotify, dsn_problems

UNSPECIFIED, NEVER, SUCCESS, FAILURE, DELAY = DsnNotify


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({}, []),
        ({"notify": (NEVER,)}, []),
        ({"notify": (SUCCESS,)}, []),
        ({"notify": (DELAY, FAILURE, SUCCESS)}, []),
        ({"notify": (NEVER, SUCCESS)}, ["dsn.notify"]),
        ({"notify": (SUCCESS, NEVER)}, ["dsn.notify"]),
        ({"notify": (SUCCESS, SUCCESS)}, ["dsn.notify"]),
        ({"notify": (NEVER, NEVER)}, ["dsn.notify", "dsn.notify"]),
        ({"notify": (SUCCESS, UNSPECIFIED)}, ["dsn.notify[1]"]),
        ({"notify": (SUCCESS, FAILURE, DELAY, NEVER)}, ["dsn.notify", "dsn.notify"]),
        ({"notify": (SUCCESS,) * 10_000}, ["dsn.notify"]),
        ({"envelope_id": "a"}, []),
        ({"envelope_id": "a b~!"}, []),
        ({"envelope_id": "a" * 99}, []),
        ({"envelope_id": "a" * 100}, []),
        ({"envelope_id": "a" * 101}, ["dsn.envelope_id"]),
        ({"envelope_id": "ä"}, ["dsn.envelope_id"]),
        ({"envelope_id": "a\t"}, ["dsn.envelope_id"]),
        ({"envelope_id": "a\r\nRCPT TO:<eve@example.net>"}, ["dsn.envelope_id"]),
        ({"envelope_id": "a\n"}, ["dsn.envelope_id"]),
        ({"envelope_id": "a\x7f"}, ["dsn.envelope_id"]),
        ({"envelope_id": "\0"}, ["dsn.envelope_id"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_wrong_is_said_of_its_field(fields, paths):
    assert [problem.field for problem in dsn_problems(Dsn(**fields))] == paths


def test_nothing_asked_for_is_nothing_wrong():
    assert [*dsn_problems(None)] == []
