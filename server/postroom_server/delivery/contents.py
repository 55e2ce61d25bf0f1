"""The octets that a submission names: looked up, or still to come.

Unknown, expired and another tenant's blobs are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from postroom_server.domain.errors import BlobNotFound, InvalidMessage, Problem
from postroom_server.domain.limits import Limits
from postroom_server.domain.octets import (
    YET_TO_COME,
    Contents,
    DamagedOctets,
    StoredOctets,
)
from postroom_server.domain.references import BLOBS, Reference, references
from postroom_server.domain.submission import Submission
from postroom_server.outbox.store import Blobs


@dataclass(frozen=True, slots=True)
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


def contents_of(
    submission: Submission, blobs: Blobs, limits: Limits, *, to_come: bool = False
) -> Contents:
    """The octets behind each name in *submission*.

    *to_come*: those of parts are not there yet, and are stood for by `YET_TO_COME`.
    Raises `InvalidMessage` for names that can't be meant, and `BlobNotFound`.
    """
    found = references(submission.message, limits)
    known = {r.name for r in found if to_come and r.is_part} | set(submission.parts)
    problems = [*_problems(found, known)]
    if problems:
        raise InvalidMessage(problems)
    return {r.name: _octets(r, submission, blobs) for r in found}


@contextmanager
def damage_told(contents: Contents) -> Iterator[None]:
    """Raise `BlobNotFound` for one of *contents* that can't be read as it was stored.

    Who brings it again mends it.
    """
    try:
        yield
    except DamagedOctets as error:
        names = (n for n, octets in contents.items() if octets.sha256 == error.sha256)
        raise BlobNotFound(next(names, f"{BLOBS}{error.sha256}")) from error


def _problems(found: tuple[Reference, ...], known: set[str]) -> Iterator[Problem]:
    for reference in found:
        if not reference.is_well_formed:
            text = 'Must be "blobs/{sha256}", or "parts/{key}" in SendMessageStream.'
            yield Problem(reference.field, text)
        elif reference.is_part and reference.name not in known:
            yield Problem(reference.field, "No such part came with the call.")


def _octets(reference: Reference, submission: Submission, blobs: Blobs) -> StoredOctets:
    if reference.is_part:
        return submission.parts.get(reference.name, YET_TO_COME)
    blob = blobs.find(submission.tenant, reference.name.removeprefix(BLOBS))
    if blob is None:
        raise BlobNotFound(reference.name)
    return blob.octets
