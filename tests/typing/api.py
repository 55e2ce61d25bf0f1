"""The SDK as a user types it; checked by mypy and pyright, never run.

Where a line ignores an error, it has to be one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, assert_type

from postroom import (
    AsyncClient,
    Attachment,
    Blob,
    Cancellation,
    Client,
    Completion,
    ConnectionReport,
    Delivery,
    DeliveryResult,
    Dsn,
    DsnNotify,
    Health,
    InvalidRequest,
    Mailbox,
    Overloaded,
    PostroomError,
    RawMessage,
    RecipientFailure,
    Rendered,
    RetryPolicy,
    Sent,
    ServerInfo,
    Stats,
    Status,
    Unsubscribe,
    ValidationReport,
    Violation,
)
from postroom.arguments import SendArguments
from postroom.reports import Draining, QueueStats, Relay, RelaySession


def sending(client: Client) -> None:
    result = client.send(
        to=["Ada <ada@example.com>", Mailbox("bob@example.com", "Bob")],
        cc="eve@example.com",
        from_=Mailbox("me@example.com"),
        subject="Hello",
        text="It works.",
        html="<p>It works.",
        attachments=[Path("a.pdf"), "b.txt", Attachment("c.txt", "text/plain", b"c")],
        headers={"X-Kind": "greeting"},
        relay="main",
        completion="accepted",
        retry=False,
        expire_at=timedelta(hours=1),
        timeout=10,
    )

    assert_type(result, DeliveryResult)
    assert_type(result.status, Status)
    assert_type(result.sent_at, datetime | None)
    assert_type(result.recipient_failures, Mapping[str, RecipientFailure])
    assert_type(result.to_dict(), dict[str, Any])
    assert_type(result.to_json(), str)
    assert_type(result.raise_for_outcome(), DeliveryResult)


def options(client: Client) -> None:
    client.send(
        to="ada@example.com",
        subject="x",
        completion=Completion.RELAYED_OR_QUEUED,
        retry=RetryPolicy(quick_delays=[1, timedelta(seconds=2)]),
        expire_at=datetime.now(UTC),
        headers=[("X-A", "1")],
        metadata={"order": "17"},
        tags=["receipt"],
        dsn=Dsn(notify=["success", DsnNotify.DELAY], return_content="headers"),
        unsubscribe=Unsubscribe(url="https://example.com/u", one_click=True),
    )
    client.send(metadata={"order": 17})  # type: ignore[dict-item]
    client.send(too="ada@example.com")  # type: ignore[call-arg]
    client.send(to=3)  # type: ignore[arg-type]


def _told(sent: int, total: int) -> None:
    del sent, total


def large(client: Client, file: BinaryIO, blob: Blob) -> None:
    uploaded = client.upload(Path("a.pdf"), on_progress=_told)
    files = [
        Attachment.from_path("a.pdf", inline=True, content_id="a"),
        Attachment("b.bin", "application/x-b", file),
        Attachment.from_blob(blob, "c.pdf"),
    ]
    client.send(to="a@example.com", text=Path("a.txt"), html=blob, attachments=files)
    client.send(to="a@example.com", text=file, on_progress=_told)
    raw = RawMessage(file, "me@example.com", ["ada@example.com"])

    assert_type(uploaded, Blob)
    assert_type(uploaded.expire_at, datetime | None)
    assert_type(client.send(raw, relay="main"), DeliveryResult)
    assert_type(client.validate(raw), ValidationReport)
    assert_type(client.render(raw), bytes)
    assert_type(client.render("deliveries/1"), bytes)
    assert_type(client.render(to="ada@example.com", subject="x"), bytes)
    assert_type(client.render_to(file, "deliveries/1"), Rendered)
    client.upload("a.pdf")  # type: ignore[arg-type]
    client.send("raw")  # type: ignore[arg-type]
    client.send(to="a@example.com", on_progress=print)
    client.send(to="a@example.com", on_progress=len)  # type: ignore[arg-type]


def looking_after(client: Client, result: DeliveryResult) -> None:
    assert_type(client.validate(to="a@example.com", subject="x"), ValidationReport)
    assert_type(client.get(result), Delivery)
    assert_type(client.get(request_id="mine"), Delivery)
    assert_type(client.list(statuses=[Status.RETRY, "queued"]), Iterator[Delivery])
    assert_type(client.cancel("deliveries/1"), Cancellation)
    assert_type(client.retry(result, settlement="delivered"), DeliveryResult)
    assert_type(client.test_connection("main"), ConnectionReport)
    assert_type(client.stats(include_relays=True), Stats)
    assert_type(client.server_info(), ServerInfo)
    assert_type(client.health(), Health)
    client.list(state="queued")  # type: ignore[call-arg]


def tracing(client: Client, traceparent: str | None) -> None:
    client.send(to="a@example.com", subject="x", traceparent=traceparent, timeout=None)
    client.get("deliveries/1", traceparent=traceparent)
    client.stats(traceparent=3)  # type: ignore[arg-type]


async def awaiting(client: AsyncClient) -> None:
    result = await client.send(
        to=[Mailbox("a@example.com"), "b@example.com"],
        subject="x",
        attachments=[Path("a.pdf")],
        retry=RetryPolicy(max_attempts=3),
        timeout=timedelta(seconds=10),
    )
    report = await client.validate(to="a@example.com", subject="x")

    assert_type(result, DeliveryResult)
    assert_type(report, ValidationReport)
    assert_type(await client.get(result), Delivery)
    assert_type(await client.get(request_id="mine", timeout=1), Delivery)
    assert_type(client.list(statuses="queued"), AsyncIterator[Delivery])
    assert_type([one async for one in client.list()], list[Delivery])
    assert_type(await client.cancel("deliveries/1"), Cancellation)
    assert_type(await client.retry(result, settlement="delivered"), DeliveryResult)
    assert_type(await client.test_connection("main"), ConnectionReport)
    assert_type(await client.stats(include_relays=True), Stats)
    assert_type(await client.server_info(), ServerInfo)
    assert_type(await client.health(), Health)
    assert_type(await client.upload(b"content"), Blob)
    assert_type(await client.render(result), bytes)
    assert_type(await client.validate(RawMessage(b"", "", [])), ValidationReport)
    await client.upload("a.pdf")  # type: ignore[arg-type]
    await client.send(too="ada@example.com")  # type: ignore[call-arg]
    client.list(state="queued")  # type: ignore[call-arg]


async def asyncio_errors() -> None:
    async with AsyncClient("localhost:50051", timeout=timedelta(seconds=5)) as client:
        assert_type(client, AsyncClient)
        await awaiting(client)
    unsent = client.send()
    unsent.raise_for_outcome()  # type: ignore[attr-defined]


def errors() -> None:
    with Client("localhost:50051", timeout=timedelta(seconds=5)) as client:
        assert_type(client, Client)
        try:
            looking_after(client, client.send(to="a@example.com", subject="x"))
        except InvalidRequest as error:
            assert_type(error.violations, tuple[Violation, ...])
            assert_type(error.result, DeliveryResult)
        except Overloaded as error:
            assert_type(error.retry_after, float | None)
        except PostroomError as error:
            assert_type(error.code, str)
            assert_type(error.metadata, Mapping[str, str])
            assert_type(error.retryable, bool)


def sending_many(client: Client, rows: list[tuple[int, str]]) -> None:
    mails = ((number, SendArguments(to=to, subject="Hello")) for number, to in rows)
    for one in client.send_many(mails, text="It works.", completion="accepted"):
        assert_type(one, Sent[int])
        assert_type(one.key, int)
        assert_type(one.result, DeliveryResult | None)
        assert_type(one.outcome(), DeliveryResult)
        assert_type(one.ok, bool)
    raw = RawMessage(b"", envelope_from="", recipients=["ada@example.com"])
    whole: list[tuple[str, RawMessage]] = [("a", raw)]
    assert_type(client.send_many(whole, window=8), Iterator[Sent[str]])
    client.send_many([("a", {"too": "ada@example.com"})])  # type: ignore[list-item]
    client.send_many(["ada@example.com"])  # type: ignore[arg-type]


async def sending_many_awaited(
    client: AsyncClient, rows: AsyncIterator[tuple[int, str]]
) -> None:
    mails = ((number, SendArguments(to=to)) async for number, to in rows)
    async for one in client.send_many(mails, subject="Hello", text="It works."):
        assert_type(one, Sent[int])
    keyed = [(1, SendArguments(to="ada@example.com"))]
    assert_type(client.send_many(keyed), AsyncIterator[Sent[int]])


def looking_after_relays(client: Client) -> None:
    assert_type(client.relays.list(), tuple[Relay, ...])
    assert_type(client.relays.get("main").queue, QueueStats | None)
    assert_type(client.relays.pause("main", "repairs", timeout=5), Relay)
    assert_type(client.relays.resume("relays/main"), Relay)
    drained = client.relays.drain("main", wait=timedelta(seconds=30))
    assert_type(drained, Draining)
    assert_type(drained.attempts_left, int)
    assert_type(client.relays.sessions(), tuple[RelaySession, ...])
    assert_type(client.relays.sessions("main"), tuple[RelaySession, ...])
    client.relays.pause(7)  # type: ignore[arg-type]
    client.relays.list(timeuot=5)  # type: ignore[call-arg]


async def looking_after_relays_awaited(client: AsyncClient) -> None:
    assert_type(await client.relays.list(), tuple[Relay, ...])
    assert_type(await client.relays.pause("main"), Relay)
    assert_type(await client.relays.drain("main", "moved", wait=5), Draining)
    assert_type(await client.relays.sessions(), tuple[RelaySession, ...])
