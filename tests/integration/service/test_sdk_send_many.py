"""`send_many` of both clients, with the whole service."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from itertools import count, islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postroom import (
    AsyncClient,
    Attachment,
    Client,
    InvalidRequest,
    NotFound,
    PostroomError,
    RawMessage,
    Status,
    Unavailable,
)

from tests.integration.client.clients import Awaited
from tests.support.service import plain, running
from tests.support.silence import silent_relay

LETTER = (
    b"From: me@example.com\r\nTo: ada@example.com\r\n"
    b"Date: Sat, 01 Aug 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHi\r\n"
)


def a_mail(number=0, **fields):
    to = f"n{number}@example.com"
    mail = {
        "from_": "me@example.com",
        "to": to,
        "subject": "Hello",
        "text": "It works.",
    }
    return {**mail, **fields}


def mails(most):
    return ((number, a_mail(number)) for number in range(most))


@pytest.fixture(params=["Client", "AsyncClient"])
def connect(request):
    if request.param == "Client":
        yield Client
        return
    with asyncio.Runner() as runner:
        yield partial(Awaited, runner)


@pytest.fixture
def client(connect, service):
    with connect(service.app.server.address, timeout=60) as client:
        yield client


def test_each_mail_comes_back_with_its_key(service, client):
    sent = list(client.send_many(mails(300)))

    assert sorted(one.key for one in sent) == list(range(300))
    assert all(one.ok for one in sent)
    assert all(
        one.outcome().recipients[0].address == f"n{one.key}@example.com" for one in sent
    )
    assert len(service.relay.messages) == 300


def test_keys_are_the_caller_s_own(client):
    row = object()

    (sent,) = client.send_many([(row, a_mail())])

    assert sent.key is row


def test_no_mails_are_no_call(client):
    assert list(client.send_many([])) == []


def test_what_is_wrong_with_one_mail_is_told_of_it_alone(service, client, tmp_path):
    several = [
        ("no address", a_mail(to="nobody")),
        ("no file", a_mail(attachments=[tmp_path / "missing"])),
        ("no relay", a_mail(relay="other")),
        ("good", a_mail()),
    ]

    sent = {one.key: one for one in client.send_many(several)}

    assert isinstance(sent["no address"].error, InvalidRequest)
    assert isinstance(sent["no file"].error, FileNotFoundError)
    assert isinstance(sent["no relay"].error, NotFound)
    assert sent["good"].ok
    assert len(service.relay.messages) == 1


def test_what_holds_for_all_is_said_once(service, client):
    common = {"from_": "me@example.com", "subject": "Hello", "text": "It works."}
    several = [(n, {"to": f"n{n}@example.com"}) for n in range(3)]

    sent = list(client.send_many(several, **common, completion="accepted"))

    assert {one.outcome().status for one in sent} == {Status.QUEUED}
    assert len(service.relay.wait_for(3, timeout=30)) == 3


def test_whole_mails_go_too(service, client):
    raw = RawMessage(
        LETTER, envelope_from="me@example.com", recipients=["a@example.com"]
    )

    (sent,) = client.send_many([("raw", raw)], relay="main")

    assert sent.ok
    assert service.relay.messages[0].data.startswith(b"From: me@example.com")


def test_a_large_mail_among_the_others_goes_as_well(service, client):
    large = a_mail(
        attachments=[Attachment("a.bin", "application/octet-stream", bytes(3_000_000))]
    )

    sent = list(client.send_many([(1, a_mail(1)), (2, large), (3, a_mail(3))]))

    assert [one.ok for one in sent] == [True] * 3
    assert max(len(mail.data) for mail in service.relay.messages) > 4_000_000


def test_no_more_is_taken_than_may_wait(client):
    taken = count()
    endless = ((next(taken), a_mail()) for _ in count())

    for told, _ in enumerate(islice(client.send_many(endless, window=5), 100), 1):
        assert next(taken) - told <= 7, "with those that this test counts"
        taken = count(next(taken) - 2)


def test_the_request_ids_of_mails_make_repeating_all_of_it_safe(service, client):
    several = [(n, a_mail(n, request_id=f"r-{n}")) for n in range(20)]

    first = {one.key: one.outcome() for one in client.send_many(several)}
    again = {one.key: one.outcome() for one in client.send_many(several)}

    assert all(again[key].delivery == first[key].delivery for key in first)
    assert all(one.replayed for one in again.values())
    assert len(service.relay.messages) == 20


def test_what_reading_the_mails_raises_ends_it(client):
    def broken():
        yield 1, a_mail()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(client.send_many(broken()))


def test_who_stops_to_read_gives_up_the_rest(tmp_path, relay, connect):
    with (
        silent_relay() as silent,
        running(tmp_path, {"main": plain(silent.port)}, relay) as service,
        connect(service.app.server.address) as client,
    ):
        queued = a_mail(completion="accepted")
        several = client.send_many(
            [("slow", a_mail(request_id="r-1")), ("queued", queued)]
        )
        assert next(iter(several)).key == "queued"
        several.close()
        name = client.get(request_id="r-1").name

        assert service.settled(name).status  # it would wait for 30 s otherwise


def test_a_service_that_is_away_is_waited_for(connect):
    with connect("127.0.0.1:1", timeout=0.5) as client, pytest.raises(Unavailable):
        list(client.send_many(mails(3)))


def test_a_closed_client_sends_nothing(client):
    client.__exit__(None, None, None)

    with pytest.raises(RuntimeError, match="closed"):
        list(client.send_many(mails(3)))


@pytest.mark.parametrize("slip", ["wrong", "subject", "to"])
def test_a_slip_of_the_program_is_raised_as_send_raises_it(client, slip):
    with pytest.raises(TypeError, match=slip):
        client.send(**a_mail(**{slip: 1}))
    with pytest.raises(TypeError, match=slip):
        list(client.send_many([(1, a_mail(**{slip: 1}))]))


kinds = st.sampled_from(["good", "refused", "invalid", "unknown relay", "html"])
entries = st.lists(st.tuples(kinds, st.integers(0, 5)), max_size=30)


@given(entries, st.integers(1, 8))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_mix_has_one_answer_for_each_key(service, several, window):
    """Of repetitions too: the same number is the same request, in one example."""
    service.relay.clear()
    service.relay.refuse("refused@example.com", "550 5.1.1 no")
    batch = next(BATCHES)
    fields = {
        "good": {"to": "ada@example.com"},
        "refused": {"to": "refused@example.com"},
        "invalid": {"to": "nobody"},
        "unknown relay": {"relay": "none"},
        "html": {"html": "<p>It works."},
    }
    asked = [
        (place, a_mail(**fields[kind], request_id=f"{batch}-{kind}-{number}"))
        for place, (kind, number) in enumerate(several)
    ]
    with Client(service.app.server.address) as client:
        sent = list(client.send_many(asked, window=window))

    fates = {one.key: one.result or one.error for one in sent}
    assert Counter(one.key for one in sent) == Counter(range(len(several)))
    for place, (kind, _) in enumerate(several):
        good = kind in {"good", "html"}
        assert isinstance(fates[place], PostroomError) == (
            kind in {"invalid", "unknown relay"}
        )
        assert not good or fates[place].status is Status.SUCCESS
    wanted = {one for one in several if one[0] in {"good", "html"}}
    assert len(service.relay.messages) == len(wanted)


BATCHES = count()


def test_asyncio_takes_mails_from_asyncio(service):
    async def source():
        for number in range(50):
            await asyncio.sleep(0)
            yield number, a_mail(number)

    async def send():
        async with AsyncClient(service.app.server.address) as client:
            return [one async for one in client.send_many(source())]

    sent = asyncio.run(send())

    assert sorted(one.key for one in sent) == list(range(50))


def test_answers_come_while_the_next_mail_is_awaited(service):
    """The source gives its second mail when the first is answered, and not before."""

    async def send():
        answered = asyncio.Event()

        async def source():
            yield 1, a_mail(1)
            await asyncio.wait_for(answered.wait(), 30)
            yield 2, a_mail(2)

        async with AsyncClient(service.app.server.address) as client:
            keys = []
            async for one in client.send_many(source()):
                keys.append(one.key)
                answered.set()
            return keys

    assert asyncio.run(send()) == [1, 2]


def test_a_task_that_is_cancelled_ends_its_stream(tmp_path, relay):
    async def send(target):
        async with AsyncClient(target) as client:
            sending = asyncio.create_task(_all(client.send_many([(1, a_mail())])))
            done, _ = await asyncio.wait([sending], timeout=0.5)
            assert not done
            sending.cancel()
            await asyncio.wait([sending])
            return sending.cancelled()

    with (
        silent_relay() as silent,
        running(tmp_path, {"main": plain(silent.port)}, relay) as service,
    ):
        assert asyncio.run(send(service.app.server.address))


async def _all(sent):
    return [one async for one in sent]
