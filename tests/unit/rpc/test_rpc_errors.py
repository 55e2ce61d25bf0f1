"""The table of errors is complete, both ways."""

from __future__ import annotations

import pytest
from google.rpc import error_details_pb2 as rich
from google.rpc import status_pb2
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st
from postroom.v1 import error_reason_pb2
from postroom_server.domain import errors
from postroom_server.domain.errors import PostroomError, Problem
from postroom_server.rpc.errors import TABLE, row_of
from postroom_server.rpc.status import DETAILS_KEY, DETAILS_LIMIT, status_of

PREFIX = "ERROR_REASON_"
REASONS = {
    name.removeprefix(PREFIX)
    for name, number in error_reason_pb2.ErrorReason.items()
    if number
}


def leaves(kind=PostroomError):
    below = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    if not below:
        yield kind
    for one in below:
        yield from leaves(one)


LEAVES = list(leaves())
PROBLEMS = (Problem("message.subject", "is too long"),)


def example(kind):
    if issubclass(kind, errors.InvalidRequestError):
        return kind(PROBLEMS)
    if issubclass(kind, errors.NotFoundError):
        return kind("deliveries/1")
    if issubclass(kind, errors.InternalError):
        return kind("4f2")
    if issubclass(kind, errors.QuotaExceeded):
        return kind("too much", "blobs")
    if issubclass(kind, errors.RateLimited):
        return kind("too fast", "acme", 2.0)
    return kind("it is so")


def unpacked(status):
    raw = dict(status.trailers)[DETAILS_KEY]
    found = {}
    for detail in status_pb2.Status.FromString(raw).details:
        kind = getattr(rich, detail.type_url.rpartition(".")[2])
        message = kind()
        assert detail.Unpack(message)
        assert kind.__name__ not in found
        found[kind.__name__] = message
    return found


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_error_has_a_row_of_its_own_and_a_reason_of_the_contract(kind):
    assert kind in TABLE
    assert kind.reason in REASONS


def test_every_reason_of_the_contract_is_made_by_exactly_one_error():
    made = sorted(kind.reason for kind in LEAVES)

    assert made == sorted(REASONS)


def test_the_table_holds_errors_of_ours_alone():
    assert all(issubclass(kind, PostroomError) for kind in TABLE)


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_the_code_is_the_one_that_the_contract_promises(kind):
    file = _descriptor_set_file()
    comment = file[PREFIX + kind.reason]

    assert comment.startswith(row_of(example(kind)).code.name)


def _descriptor_set_file():
    """The comment of each error reason."""
    from postroom_server.rpc.descriptors import served_files

    file = next(
        one for one in served_files() if one.name.endswith("error_reason.proto")
    )
    values = file.enum_type[0].value
    comments = {
        tuple(place.path): place.leading_comments.strip()
        for place in file.source_code_info.location
    }
    return {value.name: comments[5, 0, 2, n] for n, value in enumerate(values)}


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_error_has_one_error_info_that_names_it(kind):
    info = unpacked(status_of(example(kind), "call-1"))["ErrorInfo"]

    assert info.domain == "postroom"
    assert info.reason == kind.reason
    assert info.metadata["request_id"] == "call-1"


@pytest.mark.parametrize(
    ("error", "detail", "expected"),
    [
        (
            errors.InvalidMessage(PROBLEMS),
            "BadRequest",
            rich.BadRequest(
                field_violations=[
                    {"field": "message.subject", "description": "is too long"}
                ]
            ),
        ),
        (
            errors.RelayNotFound("relays/x"),
            "ResourceInfo",
            rich.ResourceInfo(
                resource_type="relay",
                resource_name="relays/x",
                description="no such relay",
            ),
        ),
        (
            errors.TooLate("it was sent", "deliveries/1"),
            "PreconditionFailure",
            rich.PreconditionFailure(
                violations=[
                    {
                        "type": "TOO_LATE",
                        "subject": "deliveries/1",
                        "description": "it was sent",
                    }
                ]
            ),
        ),
        (
            errors.Overloaded("busy", 1.5),
            "RetryInfo",
            rich.RetryInfo(retry_delay={"seconds": 1, "nanos": 500_000_000}),
        ),
        (
            errors.StoreFull("no space"),
            "QuotaFailure",
            rich.QuotaFailure(
                violations=[{"subject": "store", "description": "no space"}]
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_details_say_what_is_the_matter(error, detail, expected):
    assert unpacked(status_of(error, "x"))[detail] == expected


@pytest.mark.parametrize(
    ("error", "pushback"),
    [
        (errors.Draining("leaving", 0.1), "100"),
        (errors.NotReady("starting", -1), "0"),
        (errors.StoreFull("no space"), "-1"),
        (errors.DeadlinePassed("late"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_callers_are_told_when_to_come_back(error, pushback):
    assert (
        dict(status_of(error, "x").trailers).get("grpc-retry-pushback-ms") == pushback
    )


def test_metadata_of_an_error_is_kept():
    error = errors.RequestIdReused("used", delivery="deliveries/9")
    info = unpacked(status_of(error, "x"))["ErrorInfo"]

    assert info.metadata["delivery"] == "deliveries/9"


def test_an_error_without_a_reason_says_nothing_of_us():
    class Foreign(errors.NotFoundError):
        kind = "service"

    status = status_of(Foreign("x"), "call-1")

    assert status.code is StatusCode.NOT_FOUND
    assert unpacked(status) == {}


def test_controls_in_texts_are_made_visible():
    status = status_of(errors.TooLate("no\r\ngrpc-status: 0\x1b[2J", "a\nb"), "x")

    assert status.text == "no\\x0d\\x0agrpc-status: 0\\x1b[2J"
    violation = unpacked(status)["PreconditionFailure"].violations[0]
    assert violation.subject == "a\\x0ab"


# Long texts, cheaply: repetition finds the limits as well as variety does.
texts = st.builds(str.__mul__, st.text(max_size=20), st.integers(0, 200))


@given(
    st.builds(
        list.__mul__,
        st.lists(st.builds(Problem, texts, texts), max_size=5),
        st.integers(0, 100),
    ),
    texts,
    st.dictionaries(texts, texts, max_size=20),
)
def test_details_always_fit_in_a_caller_s_limit(problems, message, metadata):
    error = errors.InvalidMessage(problems, message)
    error.metadata = metadata
    status = status_of(error, "x" * 64)
    details = unpacked(status)
    listed = len(details["BadRequest"].field_violations)
    omitted = int(details["ErrorInfo"].metadata.get("omitted", 0))

    assert len(dict(status.trailers)[DETAILS_KEY]) <= DETAILS_LIMIT
    if "omitted" not in metadata:
        assert listed + omitted == len(problems)


@given(st.sampled_from(LEAVES), texts, texts)
def test_details_of_every_error_fit_in_a_caller_s_limit(kind, message, subject):
    error = example(kind)
    error.message = message
    error.name = error.subject = subject
    status = status_of(error, "x" * 64)

    assert len(dict(status.trailers)[DETAILS_KEY]) <= DETAILS_LIMIT
    assert len(status.text.encode()) <= 512
