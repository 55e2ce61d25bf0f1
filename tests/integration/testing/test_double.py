"""The test double as a whole: it starts, isolates, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog
from postroom import Completion, Health, InvalidRequest, RetryPolicy, Status
from postroom.testing import PostroomDouble

PATIENCE = 30.0


def test_a_mail_arrives(postroom, send):
    result = send(bcc="eve@example.com")

    mail = postroom.inbox.one(to="ada@example.com")
    assert result.status is Status.SUCCESS
    assert (mail.subject, mail.text) == ("Hello", "It works.")
    assert mail.recipients == ("ada@example.com", "eve@example.com")
    assert mail.message_id == result.message_id


def test_a_coroutine_may_send(postroom):
    async def main() -> Status:
        async with postroom.async_client() as client:
            result = await client.send(to="a@example.com", subject="x", text="x")
            return result.status

    assert asyncio.run(main()) is Status.SUCCESS
    assert len(postroom.inbox) == 1


def test_it_starts_in_less_than_300_ms():
    times = []
    for _ in range(5):
        began = time.perf_counter()
        with PostroomDouble():
            times.append(time.perf_counter() - began)

    assert statistics.median(times) < 0.3, times


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    sys.setswitchinterval(0.004)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(threading.enumerate())
    with PostroomDouble() as postroom:
        postroom.client().send(to="a@example.com", subject="x", text="x")
        assert list(tmp_path.iterdir())
    ended = [
        t for t in threading.enumerate() if t.name.startswith(("postroom", "sand"))
    ]
    for thread in ended:
        thread.join(PATIENCE)

    assert list(tmp_path.iterdir()) == []
    assert {t for t in threading.enumerate() if t.is_alive()} <= before
    assert sys.getswitchinterval() == 0.004


def test_it_ends_at_once_though_mail_is_on_its_way(postroom, send):
    postroom.relay.slow(60)
    result = send(completion=Completion.ACCEPTED)
    began = time.perf_counter()
    postroom.close()

    assert result.status in {Status.QUEUED, Status.SENDING}
    assert time.perf_counter() - began < 10


def test_several_are_apart():
    with PostroomDouble() as one, PostroomDouble() as other:
        one.client().send(to="a@example.com", subject="x", text="x")

        assert (len(one.inbox), len(other.inbox)) == (1, 0)
        assert one.target != other.target


def test_many_threads_may_use_one(postroom, send):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: send(f"u{n}@example.com"), range(24)))

    assert {result.status for result in results} == {Status.SUCCESS}
    assert len(postroom.inbox.wait_for(24)) == 24


def test_after_a_reset_it_is_as_new_at_the_same_address(postroom, send):
    target = postroom.target
    postroom.relay.refuse("*")
    send(request_id="order-1")
    postroom.relay.calm()
    send()
    postroom.reset()

    assert postroom.target == target
    assert len(postroom.inbox) == 0
    assert list(postroom.client().list()) == []
    again = send(request_id="order-1", subject="another body")
    assert again.status is Status.SUCCESS


@pytest.mark.parametrize("warm", [True, False])
def test_a_reset_cancels_what_waits_and_what_hangs(postroom, send, warm):
    if warm:
        # Over an open session the mail is with the relay at once.
        send()
    postroom.relay.defer("later@example.com")
    send("later@example.com", completion=Completion.ACCEPTED)
    postroom.relay.slow(60)
    send("now@example.com", completion=Completion.ACCEPTED)
    postroom.reset()

    assert list(postroom.client().list()) == []
    assert send().status is Status.SUCCESS
    assert [mail.recipients for mail in postroom.inbox] == [("ada@example.com",)]


def test_a_reset_makes_up_with_a_relay_that_was_away(postroom, send):
    postroom.relay.go_away()
    client = postroom.client()
    for _ in range(3):
        send(retry=RetryPolicy(disabled=True))
    assert client.health("relays/main") is Health.NOT_SERVING
    postroom.reset()

    assert client.health("relays/main") is Health.SERVING
    assert send().status is Status.SUCCESS


def test_quick_retries_take_no_time(postroom, send):
    postroom.relay.defer("ada@example.com", times=3)
    began = time.perf_counter()
    result = send()

    assert (result.status, result.retry_count) == (Status.SUCCESS, 3)
    assert time.perf_counter() - began < 5


def test_callers_may_name_several_relays():
    with PostroomDouble(relays=("main", "bulk")) as postroom:
        client = postroom.client()
        for relay in (None, "main", "bulk"):
            client.send(to="a@example.com", subject="x", text="x", relay=relay)

        assert len(postroom.inbox) == 3


def test_settings_of_the_service_can_be_given():
    three = ["a@example.com", "b@example.com", "c@example.com"]
    with (
        PostroomDouble(settings={"limits.max_recipients": 2}) as postroom,
        pytest.raises(InvalidRequest, match="recipients"),
    ):
        postroom.client().send(to=three, subject="x", text="x")


def test_settings_that_are_wrong_are_told():
    double = PostroomDouble(settings={"limits.max_recipients": 0})
    with pytest.raises(ValueError, match="MAX_RECIPIENTS"):
        double.start()


def test_without_a_from_of_its_own_a_message_has_to_have_one():
    with PostroomDouble(from_address="") as postroom, pytest.raises(InvalidRequest):
        postroom.client().send(to="a@example.com", subject="x", text="x")


@pytest.mark.parametrize("before", [None, "elsewhere:1"])
def test_a_variable_holds_the_target_meanwhile(monkeypatch, before):
    monkeypatch.delenv("MAIL_TARGET", raising=False)
    if before:
        monkeypatch.setenv("MAIL_TARGET", before)
    with PostroomDouble(environ="MAIL_TARGET") as postroom:
        assert os.environ["MAIL_TARGET"] == postroom.target

    assert os.environ.get("MAIL_TARGET") == before


def test_the_environment_of_the_tests_does_not_configure_it(monkeypatch):
    monkeypatch.setenv("POSTROOM_LISTEN", "nowhere")
    with PostroomDouble() as postroom:
        assert postroom.target.startswith("127.0.0.1:")


def test_the_service_prints_nothing_and_others_may(postroom, send, capfd):
    send()
    structlog.get_logger("theirs").info("hello")
    printed = capfd.readouterr().out

    assert "hello" in printed
    assert "delivery" not in printed


@pytest.fixture
def log_settings():
    """structlog as nobody has configured it yet, and afterwards as it was."""
    before, was_configured = structlog.get_config(), structlog.is_configured()
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if was_configured:
        structlog.configure(**before)


@pytest.mark.usefixtures("log_settings")
@pytest.mark.parametrize("configured", [True, False])
def test_the_log_is_as_before_in_the_end(configured):
    if configured:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory())
    before = structlog.get_config()["logger_factory"]
    with PostroomDouble(), PostroomDouble():
        assert structlog.get_config()["logger_factory"] is not before

    assert structlog.is_configured() is configured
    if configured:
        assert structlog.get_config()["logger_factory"] is before


RECOMMENDED = {
    "processors": [
        structlog.stdlib.filter_by_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.JSONRenderer(),
    ],
    "logger_factory": structlog.stdlib.LoggerFactory(),
}
"""By the word of structlog's own documentation, for logs that go through `logging`."""


@pytest.mark.usefixtures("log_settings")
@pytest.mark.parametrize(
    "wrapper", [structlog.stdlib.BoundLogger, structlog.BoundLogger]
)
@pytest.mark.parametrize("settings", [{}, RECOMMENDED], ids=["plain", "recommended"])
def test_the_application_may_log_by_any_wrapper(wrapper, settings, capfd, caplog):
    structlog.configure(wrapper_class=wrapper, **settings)

    with PostroomDouble() as postroom:
        result = postroom.client().send(to="ada@example.com", subject="x", text="x")

    assert result.status is Status.SUCCESS
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []


@pytest.mark.usefixtures("log_settings")
def test_a_log_that_is_configured_meanwhile_stays_so():
    theirs = structlog.PrintLoggerFactory()
    with PostroomDouble():
        structlog.configure(logger_factory=theirs)

    assert structlog.get_config()["logger_factory"] is theirs


def test_it_says_that_it_does_not_run():
    double = PostroomDouble()
    for ask in (lambda: double.target, lambda: double.inbox, double.client):
        with pytest.raises(RuntimeError, match="does not run"):
            ask()
    assert repr(double) == "<PostroomDouble, not running>"


def test_without_the_server_it_says_what_to_install():
    code = (
        "import sys; sys.modules['postroom_server'] = None\n"
        "try:\n    import postroom.testing\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )

    assert "pip install 'postroom[testing]'" in done.stdout
