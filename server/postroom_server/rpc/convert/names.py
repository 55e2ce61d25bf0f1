"""Names of resources: "deliveries/{id}" and "relays/{id}", whole.

What can't be a name is the caller's mistake and refused as such; what could be one and
is none of ours is not found.
"""

from __future__ import annotations

import re

from postroom_server.domain.errors import InvalidArgument, Problem

_DELIVERY = re.compile(r"deliveries/([A-Za-z0-9_-]{1,64})")
_RELAY = re.compile(r"relays/([a-z0-9_-]{1,63})")


def delivery_id(name: str, path: str) -> str:
    """The bare id in *name*; raises `InvalidArgument` for the field *path*."""
    return _bare(_DELIVERY, name, Problem(path, 'must look like "deliveries/{id}"'))


def relay_id(name: str, path: str) -> str:
    """The bare id in *name*; raises `InvalidArgument` for the field *path*."""
    return _bare(_RELAY, name, Problem(path, 'must look like "relays/main"'))


def _bare(form: re.Pattern[str], name: str, problem: Problem) -> str:
    match = form.fullmatch(name)
    if match is not None:
        return match[1]
    raise InvalidArgument([problem if name else Problem(problem.field, "is required")])
