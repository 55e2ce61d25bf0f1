"""The octets that a submission names: looked up, or still to come.

Unknown, expired and another tenant's blobs are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postroom_server.domain.errors import BlobNotFound, Problem
from postroom_server.domain.limits import Limits
from postroom_server.domain.octets import (
    YET_TO_COME,
    Contents,
    DamagedOctets,
    StoredOctets,
)
from postroom_server.domain.references import BLOBS, Reference, references
from postroom_server.domain.submission import Submission
from postroom_server.domain.values import value
from postroom_server.outbox.store import Blobs


@value(frozen=True, slots=True)
class PartsExpected:
    """What must come with a call: the most octets of each part, and of all together.

    *each* is by "parts/{key}".
    """

    each: Mapping[str, int]
    together: int


def parts_expected(submission: Submission, limits: Limits) -> PartsExpected:
    """The parts that *submission* names."""
    each: dict[str, int] = {}
    for reference in references(submission.message, limits):
        if reference.is_part:
            most = each.get(reference.name, reference.most)
            each[reference.name] = min(most, reference.most)
    return PartsExpected(each, limits.max_message_bytes)


@value(frozen=True, slots=True)
class Looked:
    """What was found of the octets that a submission names.

    *contents* has an entry for each name; where *problems* or *missing* (one that is
    unknown) tell of it, `YET_TO_COME` stands for it, so that all the rest can be
    checked.
    """

    contents: Contents
    problems: tuple[Problem, ...] = ()
    missing: str = ""


def look_up(
    submission: Submission, blobs: Blobs, limits: Limits, *, to_come: bool = False
) -> Looked:
    """The octets behind each name in *submission*.

    *to_come*: those of parts are not there yet, and that is no problem.
    """
    found = references(submission.message, limits)
    if not found:
        return Looked(submission.parts)
    contents: dict[str, StoredOctets] = dict(submission.parts)
    for reference in found:
        if reference.name not in contents:
            contents[reference.name] = _octets(reference, submission.tenant, blobs)
    lacking = [r for r in found if contents[r.name] is YET_TO_COME]
    problems = tuple(_problems(lacking, to_come=to_come))
    blobs_missing = (r.name for r in lacking if r.is_well_formed and not r.is_part)
    return Looked(contents, problems, next(blobs_missing, ""))


def damage_told(error: DamagedOctets, contents: Contents) -> BlobNotFound:
    """What says that one of *contents* can't be read as it was stored.

    Who brings it again mends it.
    """
    names = (n for n, octets in contents.items() if octets.sha256 == error.sha256)
    return BlobNotFound(next(names, f"{BLOBS}{error.sha256}"))


def _problems(lacking: list[Reference], *, to_come: bool) -> Iterator[Problem]:
    for reference in lacking:
        if not reference.is_well_formed:
            text = 'Must be "blobs/{sha256}", or "parts/{key}" in SendMessageStream.'
            yield Problem(reference.field, text)
        elif reference.is_part and not to_come:
            yield Problem(reference.field, "No such part came with the call.")


def _octets(reference: Reference, tenant: str, blobs: Blobs) -> StoredOctets:
    if reference.is_part or not reference.is_well_formed:
        return YET_TO_COME
    blob = blobs.find(tenant, reference.name.removeprefix(BLOBS))
    return YET_TO_COME if blob is None else blob.octets
