"""The task in a real worker with Celery's broker in memory, and the real service."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.exceptions import Retry
from celery.result import allow_join_result
from celery.signals import setup_logging, task_retry
from kombu.exceptions import EncodeError
from kombu.utils.json import dumps, loads
from postroom import (
    Attachment,
    Blob,
    Client,
    InvalidRequest,
    Mailbox,
    RetryPolicy,
    Unavailable,
)
from postroom.celery import send_email_async, tasks
from postroom.errors import ErrorDetails, Overloaded

MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}
ONCE = {**MAIL, "retry": False}
"""One attempt of the service for each of the task."""
PATIENCE = 20.0


@pytest.fixture(scope="module")
def worker() -> Iterator[Celery]:
    """An application with a worker, which takes seconds to stop."""
    app = Celery("shop", broker="memory://", backend="cache+memory://")
    app.conf.update(broker_transport_options={"polling_interval": 0.01})
    setup_logging.connect(leave_logging_alone)
    # Brokers in memory are the whole process's, so each has a queue of its own.
    app.conf.task_default_queue = f"queue-{uuid4()}"
    app.set_current()
    with (
        start_worker(app, perform_ping_check=False, shutdown_timeout=PATIENCE),
        allow_join_result(),
    ):
        yield app
    setup_logging.disconnect(leave_logging_alone)


def leave_logging_alone(**signal):
    """A receiver is enough for Celery to do nothing."""


@pytest.fixture
def app(worker, monkeypatch) -> Celery:
    """The application without a service, whose tasks are put off for no time."""
    worker.conf.update(postroom_target="127.0.0.1:1", postroom_max_attempts=1)
    worker.conf.postroom_relay = None
    monkeypatch.setattr(task_of(worker), "retry_backoff", 0)
    return worker


@pytest.fixture
def served(app, target) -> Celery:
    """The same with a service."""
    app.conf.postroom_target = target
    return app


def task_of(app: Celery):
    return app.tasks["postroom.send_email"]


def run(app: Celery, **mail):
    """What the task comes to in a worker: how it ended, and its result."""
    started = task_of(app).apply_async(kwargs=mail)
    return started, started.get(timeout=PATIENCE, interval=0.01, propagate=False)


@contextmanager
def retries() -> Iterator[list[str]]:
    """The reasons for which tasks were put off."""
    reasons: list[str] = []

    def note(reason, **rest):
        reasons.append(str(reason))

    task_retry.connect(note, weak=False)
    yield reasons
    task_retry.disconnect(note)


def test_the_result_of_the_task_is_that_of_the_mail(served, relay, target):
    started, result = run(served, **MAIL)
    with Client(target) as client:
        stored = client.get(request_id=started.id)

    assert started.state == "SUCCESS"
    assert result["status"] == "SUCCESS"
    assert result["delivery"] == stored.name
    assert len(relay.messages) == 1


def test_a_refused_recipient_is_a_result(served):
    started, result = run(served, **{**MAIL, "to": "bounce@example.com"})

    assert started.state == "SUCCESS"
    assert result["status"] == "REJECTED"
    assert result["recipient_failures"]["bounce@example.com"]["code"] == 550


def test_values_of_the_sdk_travel_with_the_task(served, relay):
    _, result = run(
        served,
        **{**MAIL, "to": [Mailbox("ada@example.com", "Ada"), "bob@example.com"]},
        attachments=[Attachment("a.bin", "application/x-a", b"\xff\x00")],
        retry=RetryPolicy(quick_delays=[0.1]),
    )

    assert result["status"] == "SUCCESS"
    assert b"To: Ada <ada@example.com>, bob@example.com" in relay.messages[0].data
    assert b"/wA=" in relay.messages[0].data


@pytest.mark.parametrize(
    "value",
    [
        Mailbox("ada@example.com", "Zoë"),
        Attachment("a.bin", "application/x-a", b"\xff", inline=True, content_id="a"),
        Attachment("a.txt", "text/plain", b"text"),
        Attachment.from_blob(Blob(name="blobs/1", sha256=b"\xff"), "a.txt"),
        RetryPolicy(disabled=True, quick_delays=[]),
        RetryPolicy(quick_delays=[1, 2], max_delay=3600.0, max_attempts=7),
    ],
)
def test_values_of_the_sdk_survive_json(value):
    assert loads(dumps([value])) == [value]


def test_an_attached_file_is_read_by_who_calls_the_task(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"content")
    attachments = [
        Attachment.from_path(path, "text/plain"),
        Attachment("a.txt", "text/plain", io.BytesIO(b"content")),
    ]

    assert (
        loads(dumps(attachments)) == [Attachment("a.txt", "text/plain", b"content")] * 2
    )


def test_a_task_that_is_delivered_again_sends_nothing_again(served, relay):
    task_id = str(uuid4())
    results = []
    for _ in range(2):
        started = task_of(served).apply_async(kwargs=MAIL, task_id=task_id)
        results.append(started.get(timeout=PATIENCE, interval=0.01))
        started.forget()

    assert results[0]["delivery"] == results[1]["delivery"]
    assert len(relay.messages) == 1


def test_a_request_id_of_the_caller_comes_before_that_of_the_task(served, target):
    _, result = run(served, **MAIL, request_id="order-1001")
    with Client(target) as client:
        stored = client.get(request_id="order-1001")

    assert stored.name == result["delivery"]


def test_a_retry_goes_on_with_those_that_are_still_open(served, relay):
    mail = {**ONCE, "to": ["ada@example.com", "defer-once@example.com"]}
    with retries() as reasons:
        _, result = run(served, **mail)

    assert result["status"] == "SUCCESS"
    assert [m.recipients for m in relay.messages] == [
        ("ada@example.com",),
        ("defer-once@example.com",),
    ]
    assert len(reasons) == 1
    assert "greylisted" in reasons[0]
    assert result["delivery"] in reasons[0]


def test_after_the_last_retry_the_result_is_what_it_is_then(served, monkeypatch):
    monkeypatch.setattr(task_of(served), "max_retries", 2)
    with retries() as reasons:
        started, result = run(served, **{**ONCE, "to": "defer@example.com"})

    assert started.state == "SUCCESS"
    assert result["status"] == "TEMP_FAILED"
    assert result["is_retryable"]
    assert len(reasons) == 2


def test_a_service_that_is_away_is_asked_again(app, target, relay):
    def come_back(**rest):
        app.conf.postroom_target = target

    task_retry.connect(come_back)
    with retries() as reasons:
        _, result = run(app, **MAIL)
    task_retry.disconnect(come_back)

    assert result["status"] == "SUCCESS"
    assert len(relay.messages) == 1
    assert "no Postroom service at 127.0.0.1:1" in reasons[0]


def test_a_service_that_stays_away_fails_the_task(app, monkeypatch):
    monkeypatch.setattr(task_of(app), "max_retries", 1)
    started, error = run(app, **MAIL)

    assert started.state == "FAILURE"
    assert isinstance(error, Unavailable)


def test_a_mail_that_is_not_valid_fails_the_task_at_once(served):
    with retries() as reasons:
        started, error = run(served, **{**MAIL, "to": "nobody"})

    assert started.state == "FAILURE"
    assert isinstance(error, InvalidRequest)
    assert reasons == []


def test_the_settings_of_the_application_hold(served, service):
    served.conf.postroom_relay = "other"
    _, result = run(served, **MAIL)

    assert service.get(result["delivery"]).relay == "relays/other"


def test_a_span_of_time_does_not_travel(served):
    with pytest.raises(EncodeError):
        task_of(served).delay(**MAIL, expire_at=timedelta(hours=1))


def test_it_can_be_called_like_a_function(served, relay):
    result = task_of(served)(**{**ONCE, "to": "defer@example.com"})

    assert result["status"] == "TEMP_FAILED"


def test_the_shared_task_is_that_of_every_application(app):
    assert send_email_async.name in app.tasks
    assert send_email_async.acks_late
    assert send_email_async.reject_on_worker_lost


class Asked:
    """A task that tells with what it was put off."""

    retry_backoff, retry_backoff_max = 5, 600

    def __init__(self, retries: int) -> None:
        self.request = threading.local()
        self.request.retries = retries

    def retry(self, exc, countdown):
        return Retry(exc=exc, when=countdown)


@pytest.mark.parametrize(
    ("retries", "after", "least", "most"),
    [(0, None, 0, 5), (3, None, 0, 40), (20, None, 0, 600), (0, 700.0, 700, 700)],
)
def test_pauses_grow_and_obey_the_service(retries, after, least, most):
    error = Overloaded("later", ErrorDetails(retry_after=after))

    with pytest.raises(Retry) as caught:
        tasks._put_off(Asked(retries), error)

    assert least <= caught.value.when <= most


def test_without_celery_the_import_says_what_to_install():
    code = "import sys; sys.modules['celery'] = None; import postroom.celery"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert "pip install 'postroom[celery]'" in ran.stderr
