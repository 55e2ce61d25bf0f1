from __future__ import annotations

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom import errors
from postroom._attempts import Terms
from postroom._failures import CLOSED, Asked, Failure, error_of, hint_of, leaves_doubt
from postroom._retry import Hint

from tests.support.fake_service import Refusal

TARGET = "localhost:50051"
REFUSED = (
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:50051:"
    " Failed to connect to remote host: connect: Connection refused (111)"
)


def _failure(code, text="", trailers=(), **refusal):
    if refusal:
        told = Refusal(code=grpc.StatusCode[code], text=text, **refusal)
        trailers = (*trailers, ("grpc-status-details-bin", told.status()))
    return Failure(code=code, text=text, trailers=trailers)


def _error(failure, **asked):
    return error_of(failure, Asked(target=TARGET, **asked))


@pytest.mark.parametrize(
    ("code", "kind", "builtin"),
    [
        ("INVALID_ARGUMENT", errors.InvalidRequest, ValueError),
        ("NOT_FOUND", errors.NotFound, LookupError),
        ("ALREADY_EXISTS", errors.Conflict, Exception),
        ("FAILED_PRECONDITION", errors.FailedPrecondition, Exception),
        ("RESOURCE_EXHAUSTED", errors.ResourceExhausted, Exception),
        ("UNAVAILABLE", errors.Unavailable, Exception),
        ("DEADLINE_EXCEEDED", errors.DeadlineExceeded, TimeoutError),
        ("UNAUTHENTICATED", errors.Unauthenticated, Exception),
        ("PERMISSION_DENIED", errors.PermissionDenied, Exception),
        ("UNIMPLEMENTED", errors.Unimplemented, Exception),
        ("INTERNAL", errors.InternalError, Exception),
        ("UNKNOWN", errors.InternalError, Exception),
        ("CANCELLED", errors.Unavailable, Exception),
    ],
)
def test_each_code_has_an_error(code, kind, builtin):
    error = _error(_failure(code, "why"))

    assert type(error) is kind
    assert isinstance(error, builtin)
    assert error.code == code


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        ("INVALID_ARGUMENT", "STREAM_PROTOCOL", errors.InvalidRequest),
        ("INVALID_ARGUMENT", "CHECKSUM_MISMATCH", errors.InvalidRequest),
        ("NOT_FOUND", "BLOB_NOT_FOUND", errors.NotFound),
        ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", errors.ResourceExhausted),
        ("PERMISSION_DENIED", "SENDER_NOT_ALLOWED", errors.PermissionDenied),
        ("PERMISSION_DENIED", "METHOD_NOT_ALLOWED", errors.PermissionDenied),
        ("UNAUTHENTICATED", "CREDENTIAL_REFUSED", errors.Unauthenticated),
    ],
)
def test_each_reason_has_the_error_of_its_code(code, reason, kind):
    error = _error(_failure(code, "why", reason=reason))

    assert type(error) is kind
    assert error.reason == reason
    assert error.nothing_sent
    assert not error.retryable


@pytest.mark.parametrize(
    ("code", "reason", "metadata"),
    [
        ("NOT_FOUND", "RELAY_NOT_FOUND", {"name": "relays/x"}),
        ("PERMISSION_DENIED", "SENDER_NOT_ALLOWED", {"sender": "relays/x"}),
    ],
)
def test_what_an_error_is_about_is_named(code, reason, metadata):
    failure = _failure(code, "not here", reason=reason, metadata=metadata)

    assert str(_error(failure)) == "not here: relays/x"


HANDSHAKE = (
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:50051: Tls"
    " handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL"
    " routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired: OK"
)


@pytest.mark.parametrize(
    "texts", [[HANDSHAKE, REFUSED], [REFUSED, HANDSHAKE], [HANDSHAKE] * 2]
)
def test_another_address_that_nobody_listens_at_hides_no_certificate(texts):
    attempts = Terms(target=TARGET).repeatable({})
    *earlier, last = (_failure("UNAVAILABLE", text) for text in texts)
    attempts.begin()
    for failure in earlier:
        attempts.delay_after(failure)

    assert "its certificate has expired" in str(attempts.error_of(last))


def test_a_call_that_was_cancelled_by_us_is_not_made_again():
    assert hint_of(CLOSED) == Hint(unavailable=False)
    assert type(_error(CLOSED)) is errors.PostroomError


def test_a_cancelled_call_of_which_the_service_says_more_is_not_made_again():
    told = _failure("CANCELLED", "why", reason="INTERNAL")

    assert not hint_of(told).unavailable


def test_an_error_of_the_service_says_what_it_said():
    error = _error(
        _failure(
            "ALREADY_EXISTS",
            "used before",
            reason="REQUEST_ID_REUSED",
            metadata={"delivery": "deliveries/1"},
        ),
        request_id="mine",
    )

    assert str(error) == "used before"
    assert error.reason == "REQUEST_ID_REUSED"
    assert error.metadata == {"delivery": "deliveries/1"}
    assert error.request_id == "mine"
    assert error.nothing_sent
    assert not error.retryable


def test_an_invalid_mail_lists_what_is_wrong():
    wrong = (("message.to[0].address", "has no @"), ("message.subject", "is empty"))
    error = _error(
        _failure("INVALID_ARGUMENT", reason="INVALID_MESSAGE", violations=wrong)
    )

    assert error.violations == tuple(errors.Violation(*one) for one in wrong)
    assert error.result.status == "INVALID"


@pytest.mark.parametrize("reason", ["OVERLOADED", "DRAINING", "NOT_READY"])
def test_a_busy_service_says_when_to_come_again(reason):
    error = _error(_failure("UNAVAILABLE", "busy", reason=reason, retry_after=2.5))

    assert isinstance(error, errors.Overloaded)
    assert error.retry_after == 2.5
    assert error.retryable


def test_a_reason_of_another_domain_is_not_ours():
    error = _error(
        _failure("UNAVAILABLE", "no", reason="OVERLOADED", domain="proxy.example"),
        in_doubt=True,
    )

    assert type(error) is errors.Unavailable
    assert error.reason == ""
    assert not error.nothing_sent


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (REFUSED, "no Postroom service at localhost:50051 (connection refused)"),
        (
            "DNS resolution failed for x: C-ares status is not ARES_SUCCESS",
            "no Postroom service at localhost:50051 (the name does not resolve)",
        ),
        (
            "recvmsg:Connection timed out",
            "the connection to localhost:50051 failed: recvmsg:Connection timed out",
        ),
        (
            "Socket closed",
            "the connection to localhost:50051 failed: Socket closed",
        ),
    ],
)
def test_an_unreachable_service_is_told_in_plain_words(text, says):
    assert str(_error(_failure("UNAVAILABLE", text))) == says


def test_an_error_that_leaves_doubt_says_how_to_end_it():
    failure = _failure("DEADLINE_EXCEEDED", "Deadline Exceeded")
    error = _error(failure, request_id="mine", in_doubt=True)

    assert "no answer from localhost:50051" in str(error)
    assert "request_id='mine'" in str(error)
    assert not error.nothing_sent
    assert error.retryable


@pytest.mark.parametrize(
    ("failure", "doubt"),
    [
        (_failure("UNAVAILABLE", REFUSED), False),
        (_failure("UNAVAILABLE", "Socket closed"), True),
        # A connection that was made, and may have carried the request.
        (_failure("UNAVAILABLE", "Connection closed: ping timeout"), True),
        (_failure("UNAVAILABLE", "recvmsg:Connection timed out"), True),
        (_failure("UNAVAILABLE", "recvmsg:No route to host"), True),
        (_failure("UNAVAILABLE", "sendmsg:Network is unreachable"), True),
        (_failure("DEADLINE_EXCEEDED", "Deadline Exceeded"), True),
        (_failure("UNAVAILABLE", "busy", reason="OVERLOADED"), False),
        (_failure("UNAVAILABLE", "busy", reason="X", domain="proxy"), True),
    ],
)
def test_doubt_is_left_by_what_the_service_did_not_say(failure, doubt):
    assert leaves_doubt(failure) is doubt


@pytest.mark.parametrize(
    ("failure", "hint"),
    [
        (_failure("UNAVAILABLE"), Hint(unavailable=True)),
        (_failure("INTERNAL"), Hint(unavailable=False)),
        (
            _failure("UNAVAILABLE", reason="OVERLOADED", retry_after=2.0),
            Hint(unavailable=True, retry_after=2.0),
        ),
        (
            _failure(
                "UNAVAILABLE",
                trailers=(("grpc-retry-pushback-ms", "300"),),
                reason="OVERLOADED",
                retry_after=2.0,
            ),
            Hint(unavailable=True, retry_after=0.3),
        ),
        (
            _failure("UNAVAILABLE", trailers=(("grpc-retry-pushback-ms", "-1"),)),
            Hint(unavailable=True, never=True),
        ),
        (
            _failure("UNAVAILABLE", trailers=(("grpc-retry-pushback-ms", "soon"),)),
            Hint(unavailable=True, never=True),
        ),
    ],
)
def test_a_failure_says_whether_to_come_again(failure, hint):
    assert hint_of(failure) == hint


@given(st.binary())
def test_details_that_are_rubbish_do_no_harm(raw):
    trailers = (("grpc-status-details-bin", raw),)
    error = _error(Failure(code="INTERNAL", text="x", trailers=trailers))

    assert isinstance(error, errors.InternalError)
