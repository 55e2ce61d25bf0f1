"""What is of asyncio alone; what both clients do is tested for both together."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import threading

import grpc
import pytest
from postroom import AsyncClient, Health, Overloaded, PostroomError
from postroom.v1 import delivery_requests_pb2

from tests.integration.client.answers import NAME, delivery, sent
from tests.support.fake_service import Refusal

MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}
LATE = Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="DRAINING", retry_after=60)
PATIENCE = 20.0
PROGRAM = """
import asyncio, gc, sys, threading
from postroom import AsyncClient

def complain(loop, trouble):
    # gRPC has one queue for all loops: this one hears of calls in loops now closed.
    if "PollerCompletionQueue" not in trouble["message"]:
        loop.default_exception_handler(trouble)

async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(complain)
    loop.slow_callback_duration = 60  # a busy machine is no defect
    async with AsyncClient(sys.argv[1]) as client:
        call = asyncio.create_task(client.send(to="ada@example.com", subject="x"))
        print((await client.health()).value)
        async for _ in client.list():
            break
    await asyncio.gather(call, return_exceptions=True)
    print(len(asyncio.all_tasks()))

for _ in range(2):
    asyncio.run(main())
gc.collect()
# gRPC's thread says that it is over a moment before it is.
pause = threading.Event()
for _ in range(1000):
    if threading.active_count() > 1:
        pause.wait(0.01)
print(threading.active_count())
"""


def in_a_loop(test):
    """Run *test* in a loop of its own, which must have nothing to complain of."""

    @functools.wraps(test)
    def run(*arguments, **fixtures):
        complaints = []
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            loop.set_exception_handler(lambda _, trouble: complaints.append(trouble))
            runner.run(test(*arguments, **fixtures))
        assert [trouble for trouble in complaints if not _of_others(trouble)] == []

    return run


def _of_others(trouble):
    """gRPC has one queue for all loops: this one hears of calls in loops now closed."""
    return "PollerCompletionQueue" in trouble["message"] and (
        str(trouble["exception"]) == "Event loop is closed"
    )


def pausing(client):
    """An event that is set when *client* begins to wait between two attempts."""
    waiting, pause = asyncio.Event(), client._calls.pause

    async def told(delay):
        waiting.set()
        return await pause(delay)

    client._calls.pause = told
    return waiting


@in_a_loop
async def test_cancelling_a_task_cancels_its_call(service):
    service.script("SendMessage", service.hang)
    async with AsyncClient(service.target) as client:
        call = asyncio.create_task(client.send(**MAIL))
        await asyncio.to_thread(service.asked.wait, PATIENCE)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        ended = await asyncio.to_thread(service.ended.wait, PATIENCE)

    assert ended


@in_a_loop
async def test_cancelling_a_task_ends_its_wait_between_attempts(service):
    service.script("SendMessage", LATE)
    async with AsyncClient(service.target) as client:
        waiting = pausing(client)
        call = asyncio.create_task(client.send(**MAIL))
        await waiting.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert len(service.requests) == 1


@in_a_loop
async def test_cancelling_a_task_ends_its_upload(service, tmp_path):
    path, far = tmp_path / "huge", asyncio.Event()
    with path.open("wb") as file:
        file.truncate(90_000_000)
    loop = asyncio.get_running_loop()

    def tell(gone, total):
        if gone > 1_000_000:
            loop.call_soon_threadsafe(far.set)

    async with AsyncClient(service.target) as client:
        call = asyncio.create_task(
            client.send(**MAIL, attachments=[path], on_progress=tell)
        )
        await far.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert await asyncio.to_thread(service.ended.wait, PATIENCE)
    assert service.requests[0].end is None


@in_a_loop
async def test_closing_a_client_ends_its_upload_with_an_error(service, tmp_path):
    path, far = tmp_path / "huge", asyncio.Event()
    with path.open("wb") as file:
        file.truncate(90_000_000)
    loop = asyncio.get_running_loop()

    def tell(gone, total):
        if gone > 1_000_000:
            loop.call_soon_threadsafe(far.set)

    client = AsyncClient(service.target)
    call = asyncio.create_task(
        client.send(**MAIL, attachments=[path], on_progress=tell)
    )
    await far.wait()
    await client.close()

    with pytest.raises(PostroomError, match="the client was closed"):
        await call
    assert len(service.requests) == 1


@in_a_loop
async def test_a_time_out_of_asyncio_ends_a_call(service):
    service.script("SendMessage", service.hang)
    async with AsyncClient(service.target) as client:
        with pytest.raises(TimeoutError) as ended:
            async with asyncio.timeout(0.2):
                await client.send(**MAIL)

    assert not isinstance(ended.value, PostroomError)


@pytest.mark.parametrize("code", [grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE])
def test_a_cancellation_at_the_moment_of_the_answer_is_not_lost(code):
    """As gRPC does: the status is raised, and the cancellation forgotten."""

    async def answered(request, **terms):
        asyncio.current_task().cancel()
        raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())

    async def send():
        client = AsyncClient()
        return await client._calls.unary(answered, None, client._terms.once({}))

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(send())


@in_a_loop
async def test_closing_ends_a_wait_between_attempts(service):
    service.script("SendMessage", LATE)
    client = AsyncClient(service.target)
    waiting = pausing(client)
    call = asyncio.create_task(client.send(**MAIL))
    await waiting.wait()
    await client.close()
    with pytest.raises(Overloaded):
        await call

    assert len(service.requests) == 1


@in_a_loop
async def test_closing_ends_a_call_with_an_error_and_not_with_cancellation(service):
    service.script("SendMessage", service.hang)
    client = AsyncClient(service.target)
    call = asyncio.create_task(client.send(**MAIL, request_id="mine"))
    await asyncio.to_thread(service.asked.wait, PATIENCE)
    await client.close()
    with pytest.raises(PostroomError) as refusal:
        await call

    assert refusal.value.code == "CANCELLED"
    assert "request_id='mine'" in str(refusal.value)
    assert not refusal.value.nothing_sent


@in_a_loop
async def test_a_task_that_is_cancelled_while_its_client_closes_is_cancelled(service):
    service.script("SendMessage", service.hang)
    client = AsyncClient(service.target)
    call = asyncio.create_task(client.send(**MAIL))
    await asyncio.to_thread(service.asked.wait, PATIENCE)
    call.cancel()
    await client.close()

    with pytest.raises(asyncio.CancelledError):
        await call


@in_a_loop
async def test_one_client_serves_many_tasks_at_once(service):
    together = threading.Barrier(4)

    def answer(request):
        together.wait(PATIENCE)
        return sent()

    service.script("SendMessage", *[answer] * 4)
    async with AsyncClient(service.target) as client:
        calls = [client.send(**MAIL, request_id=number) for number in "0123"]
        fates = await asyncio.gather(*calls)

    assert [fate.delivery for fate in fates] == [NAME] * 4
    assert {request.request_id for request in service.requests} == set("0123")


@in_a_loop
async def test_the_loop_does_not_wait_for_files_to_be_read(tmp_path, service):
    readers = set()

    class Watched(os.PathLike):
        def __fspath__(self):
            readers.add(threading.get_ident())
            return str(tmp_path / "a.txt")

    (tmp_path / "a.txt").write_text("x")
    async with AsyncClient(service.target) as client:
        await client.send(**MAIL, attachments=[Watched()])
        await client.validate(**MAIL, attachments=[Watched()])

    assert readers
    assert threading.get_ident() not in readers


@in_a_loop
async def test_a_list_can_be_left_early(service):
    page = delivery_requests_pb2.ListDeliveriesResponse(
        deliveries=[delivery("deliveries/2")], next_page_token="more"
    )
    service.script("ListDeliveries", page)
    async with AsyncClient(service.target) as client:
        async for found in client.list():
            first = found.name
            break

    assert first == "deliveries/2"
    assert len(service.requests) == 1


def test_a_client_can_be_made_before_there_is_a_loop(service):
    client = AsyncClient(service.target)

    async def ask():
        async with client:
            return await client.health()

    assert asyncio.run(ask()) is Health.SERVING


async def _get(client):
    await client.get("0198")


async def _list(client):
    await anext(client.list())


async def _close(client):
    await client.close()


@pytest.mark.parametrize("use", [_get, _list, _close])
def test_a_client_says_so_in_a_loop_that_is_not_its_own(service, use):
    client = AsyncClient(service.target)
    with asyncio.Runner() as own, asyncio.Runner() as other:
        own.run(client.health())
        with pytest.raises(RuntimeError, match="another event loop"):
            other.run(use(client))

        assert own.run(client.health()) is Health.SERVING
        own.run(client.close())


def test_a_closed_client_leaves_no_task_no_thread_and_no_warning(service):
    service.script("SendMessage", service.hang, service.hang)
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, service.target],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split() == ["SERVING", "1", "SERVING", "1", "1"]
