"""The task that sends a mail.

The id of the task is the request id, so a task that is delivered again, by the broker
or by `retry`, never makes a second mail: the service goes on with the recipients that
are still open.  That is why the broker is told of it only when it is done.  What
became of the mail is the task's result, refused recipients too; a task fails only
where it could not find out.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import fields
from functools import partial
from typing import Any, NoReturn

from celery import shared_task
from celery.utils.time import get_exponential_backoff_interval
from kombu.utils.json import register_type

from postroom._service import Service, options_from
from postroom._sources import source_of
from postroom.arguments import SendArguments
from postroom.errors import DeliveryFailed, PostroomError
from postroom.messages import Attachment, Dsn, Mailbox, RetryPolicy, Unsubscribe
from postroom.results import Blob


def _register_types() -> None:
    """Let the values that the SDK takes travel as JSON, with what files hold."""
    kind: Any
    for kind in (Attachment, Blob, Mailbox, RetryPolicy, Unsubscribe, Dsn):
        parts = _with_data if kind is Attachment else _parts
        register_type(
            kind, f"postroom.{kind.__name__}", parts, partial(_restored, kind)
        )


def _parts(value: Any) -> dict[str, Any]:  # noqa: ANN401  any of the kinds
    return {part.name: getattr(value, part.name) for part in fields(value)}


def _with_data(attachment: Attachment) -> dict[str, Any]:
    # The worker may be on another machine.
    parts = _parts(attachment)
    if not isinstance(attachment.data, Blob):
        with closing(source_of(attachment.data)) as source:
            parts["data"] = source.whole()
    return parts


def _restored(kind: type[Any], parts: Mapping[str, Any]) -> object:
    return kind(**parts)


_register_types()


@shared_task(
    name="postroom.send_email",
    bind=True,
    acks_late=True,
    reject_on_worker_lost=True,
    max_retries=10,
    retry_backoff=5,
    retry_backoff_max=600,
)
def send_email_async(task: Any, /, **mail: Any) -> dict[str, Any]:  # noqa: ANN401  see SendArguments; a Task has its options as attributes
    """Send a mail; the arguments are those of `Client.send`.

    The result is that of `DeliveryResult.to_dict`.  While the service is away, or
    going on may help, the task is retried: *max_retries* times, after pauses that grow
    from *retry_backoff* to *retry_backoff_max* seconds.  After the last the result is
    what it is then.  Raises as `Client.send` does.
    """
    service = Service.of(options_from(lambda name: task.app.conf.get(name.lower())))
    try:
        result = service.send(_with_request_id(mail, task.request.id))
    except PostroomError as error:
        if not error.retryable:
            raise
        _put_off(task, error)
    if result.is_retryable and _may_retry(task):
        _put_off(task, DeliveryFailed.of(result))
    return result.to_dict()


def _with_request_id(mail: dict[str, Any], task_id: str | None) -> SendArguments:
    whole: SendArguments = {}
    if task_id:
        whole["request_id"] = task_id
    whole.update(mail)  # type: ignore[typeddict-item]
    return whole


def _may_retry(task: Any) -> bool:  # noqa: ANN401  as above
    """Whether it runs in a worker, and not for the last time."""
    if task.request.called_directly:
        return False
    return task.max_retries is None or task.request.retries < task.max_retries


def _put_off(task: Any, error: PostroomError) -> NoReturn:  # noqa: ANN401  as above
    """Have *task* run again later; raises *error* itself after the last time."""
    pause = get_exponential_backoff_interval(
        factor=task.retry_backoff,
        retries=task.request.retries,
        maximum=task.retry_backoff_max,
        full_jitter=True,
    )
    # A service that says when to come again is obeyed.
    countdown = max(pause, error.details.retry_after or 0)
    raise task.retry(exc=error, countdown=countdown)
