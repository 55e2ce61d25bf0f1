"""The log holds one event a line, and nothing that must not be seen."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
import warnings
from datetime import datetime, timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from postroom.v1.message_pb2 import Message
from postroom_server.domain.attempt import Phase
from postroom_server.domain.draft import MailboxDraft
from postroom_server.domain.secret import Secret
from postroom_server.telemetry import naming
from postroom_server.telemetry.logs import (
    LogFormat,
    LogLevel,
    LogSettings,
    set_up_logs,
)
from postroom_server.telemetry.redaction import Redaction, masked

from tests.support.deliveries import a_delivery

CANARY = "s3cr3t-canary"


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Unwritable(io.StringIO):
    """What the standard error is once nobody reads it, or its disk is full."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    def write(self, _text):
        raise self._error


@pytest.fixture
def logging_to():
    """Sets the logs up to a text stream; puts everything back afterwards."""
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level

    def set_up(stream=None, **settings):
        stream = stream or io.StringIO()
        set_up_logs(LogSettings(**settings), stream)
        return stream

    yield set_up
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)


@pytest.fixture
def log():
    return structlog.get_logger("postroom_server.tests")


def events(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_names_the_delivery_that_its_thread_is_at(logging_to, log):
    stream = logging_to()
    named = naming.name(a_delivery(request_id="mine"))
    with structlog.contextvars.bound_contextvars(request_id="the call's"):
        log.warning("relay.slowed_down")
    naming.unname(named)
    (event,) = events(stream)

    assert event == event | {"delivery": a_delivery().id, "request_id": "mine"}


def test_an_event_is_a_line_of_json_with_time_level_and_context(logging_to, log):
    stream = logging_to()
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        log.info("rpc", seconds=0.25, code=None, phase=Phase.RCPT)
    (event,) = events(stream)

    at = datetime.fromisoformat(event["timestamp"])
    assert at.utcoffset() == timedelta(0)
    assert list(event)[:4] == ["timestamp", "level", "event", "logger"]
    assert event == event | {
        "level": "info",
        "event": "rpc",
        "logger": "postroom_server.tests",
        "request_id": "r-1",
        "seconds": 0.25,
        "code": None,
        "phase": "RCPT",
    }


def test_what_is_below_the_level_is_not_written(logging_to, log):
    stream = logging_to(level=LogLevel.WARNING)
    log.info("unheard")
    log.warning("heard")

    assert [event["event"] for event in events(stream)] == ["heard"]


def test_a_terminal_gets_words_for_people(logging_to, log):
    stream = logging_to(Terminal())
    log.info("started", port=1)

    assert "started" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_json_may_be_asked_for_on_a_terminal(logging_to, log):
    stream = logging_to(Terminal(), format=LogFormat.JSON)
    log.info("started")

    assert events(stream)[0]["event"] == "started"


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
@pytest.mark.parametrize(
    "value",
    [
        Secret(CANARY),
        {"password": Secret(CANARY)},
        [Secret(CANARY)],
        Message(subject=CANARY),
        MailboxDraft(CANARY),
        {"a": {"b": {"c": {"d": {"e": CANARY}}}}},
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_neither_secrets_nor_objects_are_written(logging_to, log, form, value):
    stream = logging_to(format=form)
    log.info("sent", value=value)

    assert "sent" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_a_traceback_shows_no_local_variables(logging_to, log):
    def log_in(password):
        raise ValueError(len(password))

    stream = logging_to()
    try:
        log_in(CANARY[::-1][::-1])
    except ValueError:
        log.exception("failed")
    (event,) = events(stream)

    assert "ValueError: 13" in event["exception"]
    assert CANARY not in event["exception"]


def test_an_exception_given_as_a_value_is_told_by_type_and_words(logging_to, log):
    stream = logging_to()
    log.warning("failed", error=OSError("no\x1b[31m"))

    assert events(stream)[0]["error"] == "OSError: no\\x1b[31m"


def test_a_very_long_text_is_cut(logging_to, log):
    stream = logging_to()
    log.info("long", text="x" * 100_000, many=[1] * 100_000)

    assert len(stream.getvalue()) < 4096


@given(st.text(), st.binary(), st.floats(), st.dictionaries(st.text(), st.text()))
def test_any_values_make_one_line_of_strict_json(text, octets, number, table):
    event = {"event": text, "octets": octets, "number": number, "table": table}
    line = structlog.processors.JSONRenderer()(None, "", Redaction()(None, "", event))

    def refuse(word):
        raise AssertionError(word)

    shown = json.loads(line, parse_constant=refuse)
    assert len(line.splitlines()) == 1
    assert shown["event"].isprintable()
    assert shown["octets"].isprintable()


def test_other_libraries_speak_through_the_same_log(logging_to):
    stream = logging_to()
    logging.getLogger("alembic").warning("revision %s\n{}", 7)
    (event,) = events(stream)

    assert event["event"] == "revision 7\\x0a{}"
    assert event["logger"] == "alembic"
    assert event["level"] == "warning"


@pytest.mark.parametrize("level", [LogLevel.DEBUG, LogLevel.INFO])
def test_other_libraries_are_not_heard_below_warning(logging_to, level):
    stream = logging_to(level=level)
    logging.getLogger("mail.log").info("AUTH PLAIN %s", CANARY)

    assert stream.getvalue() == ""


def test_a_level_of_a_library_s_own_is_heard(logging_to):
    stream = logging_to()
    logging.getLogger("odd").log(35, "between warning and error")

    assert events(stream)[0]["level"] == "warning"


def test_a_warning_of_the_interpreter_is_an_event(logging_to):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        stream = logging_to()
        warnings.warn("old", stacklevel=1)

    assert "UserWarning: old" in events(stream)[0]["event"]


def test_what_kills_a_thread_is_an_event(logging_to):
    stream = logging_to()
    thread = threading.Thread(target=[].pop, name="postroom-doomed")
    thread.start()
    thread.join(10)
    (event,) = events(stream)

    assert event["event"] == "thread.died"
    assert event["thread"] == "postroom-doomed"
    assert "IndexError" in event["exception"]


def test_the_last_call_decides(logging_to, log):
    first, second = logging_to(), logging_to()
    log.info("here")
    logging.getLogger("foreign").warning("and here")

    assert first.getvalue() == ""
    assert len(events(second)) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ann@example.com", "a***@example.com"),
        ("<ann.b+c@example.com>: no", "<a***@example.com>: no"),
        ('"a b"@example.com', "a***@example.com"),
        ("to=x@y.z,q@[127.0.0.1]", "to=x***@y.z,q***@[127.0.0.1]"),
        ("jürgen@straße.de", "j***@straße.de"),
        ("no address @ all", "no address @ all"),
    ],
)
def test_masking_hides_the_local_part(text, shown):
    assert masked(text) == shown


def test_addresses_are_masked_where_asked_for(logging_to, log):
    stream = logging_to(mask_addresses=True)
    log.info("refused ann@example.com", message_id="<1@example.com>", to=["b@c.de"])
    (event,) = events(stream)

    assert event["event"] == "refused a***@example.com"
    assert event["to"] == ["b***@c.de"]
    assert event["message_id"] == "<1@example.com>"


def test_addresses_are_masked_in_exceptions_too(logging_to, log):
    def refuse():
        raise ValueError("550 ann@example.com is unknown")

    stream = logging_to(mask_addresses=True)
    try:
        refuse()
    except ValueError:
        log.exception("failed")

    assert "550 a***@example.com is unknown" in events(stream)[0]["exception"]


@pytest.mark.parametrize("text", ["a" * 2048 + "@", '"' * 2048 + "@", "a@" * 1024])
def test_a_long_text_costs_little_to_mask(text):
    began = time.process_time()
    masked(text)

    assert time.process_time() - began < 0.1


def test_addresses_are_whole_otherwise(logging_to, log):
    stream = logging_to()
    log.info("refused ann@example.com")

    assert events(stream)[0]["event"] == "refused ann@example.com"


@pytest.mark.parametrize(
    "error",
    [
        BrokenPipeError(32, "Broken pipe"),
        OSError(28, "No space left on device"),
        ValueError("I/O operation on closed file"),
    ],
    ids=str,
)
def test_a_log_that_cannot_be_written_fails_nobody_who_logs(logging_to, log, error):
    logging_to(Unwritable(error))

    log.info("rpc")
    logging.getLogger("library").error("trouble")
