"""`Client.watch`: one iterator over any number of streams."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from itertools import islice

import pytest
from postroom import AsyncClient, Client, EventKind, InvalidRequest, Status
from postroom.cli.app import app
from postroom.errors import Unavailable
from postroom_server.app import App
from postroom_server.config import load_config
from typer.testing import CliRunner

from tests.support.process import free_port
from tests.support.service import CALL, plain, running, settings

STORY = ["ACCEPTED", "ATTEMPT_STARTED", "DELIVERED", "SETTLED"]
MAIL = {
    "to": "ada@example.com",
    "from_": "me@example.com",
    "subject": "Hello",
    "text": "It works.",
}


@pytest.fixture
def client(service):
    with Client(service.app.server.address) as client:
        yield client


def test_a_watch_tells_the_story_of_a_mail(client):
    result = client.send(**MAIL, tags=["new"], metadata={"order": "1"})

    told = list(islice(client.watch(start="beginning"), 4))

    assert [event.kind for event in told] == STORY
    assert {event.delivery for event in told} == {result.delivery}
    assert told[-1].status is Status.SUCCESS
    assert told[-1].to_dict()["metadata"] == {"order": "1"}


def test_the_cursor_of_an_event_goes_on_behind_it_or_with_what_came_with_it(client):
    for _ in range(3):
        client.send(**MAIL)
    whole = list(islice(client.watch(start="beginning"), 12))

    for place, event in enumerate(whole):
        ahead = len(whole) - place - 1
        if not event.cursor:
            continue
        page = client.pull_events(cursor=event.cursor, max_events=1000)
        ids = [one.id for one in page.events]
        assert ids[len(ids) - ahead :] == [one.id for one in whole[place + 1 :]]


def test_a_watch_goes_on_over_streams_that_end(tmp_path, relay):
    extra = "[limits]\nmax_watch = 1"
    ends = threading.Event()
    cursors: list[str] = []

    def note(cursor: str) -> None:
        cursors.append(cursor)
        if len(cursors) == 4:
            ends.set()

    with (
        running(tmp_path, {"main": plain(relay.port)}, relay, extra) as service,
        Client(service.app.server.address) as client,
    ):
        watch = client.watch(on_cursor=note)
        told: list[str] = []
        reading = threading.Thread(
            target=lambda: told.extend(e.id for e in islice(watch, 8))
        )
        reading.start()
        while not cursors:
            ends.wait(0.01)
        client.send(**MAIL)
        assert ends.wait(CALL)
        client.send(**MAIL)
        reading.join(CALL)

    assert len(told) == len(set(told)) == 8


def test_a_watch_goes_on_with_the_next_process(tmp_path, relay):
    path = settings(tmp_path, {"main": plain(relay.port)})
    environ = {"POSTROOM_LISTEN": f"127.0.0.1:{free_port()}"}
    with (
        App(load_config(path, environ)) as app,
        Client(app.server.address) as client,
    ):
        client.send(**MAIL)
        watch = client.watch(start="beginning", timeout=CALL)
        told = list(islice(watch, 4))
        app.drain()
        with App(load_config(path, environ)):
            client.send(**MAIL)
            told += islice(watch, 4)

    assert [event.kind for event in told] == STORY * 2


def test_a_service_that_stays_away_ends_the_watch(client, service):
    watch = client.watch(start="beginning", timeout=0.5)
    client.send(**MAIL)
    next(watch)
    service.app.close()

    with pytest.raises(Unavailable):
        list(watch)


def test_a_cursor_that_is_none_is_told_at_once(client):
    with pytest.raises(InvalidRequest) as caught:
        next(client.watch(cursor="none"))

    assert caught.value.reason == "INVALID_TOKEN"


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"kinds": ["x"]}, "filter.kinds[0]"), ({"start": "soon"}, "start")],
)
def test_words_that_are_none_are_refused_before_any_call(client, asked, field):
    with pytest.raises(InvalidRequest) as caught:
        client.watch(**asked)

    assert [wrong.field for wrong in caught.value.violations] == [field]


def test_a_watch_can_be_for_one_delivery_and_some_kinds(client):
    client.send(**MAIL)
    wanted = client.send(**MAIL)
    watch = client.watch(
        deliveries=wanted, kinds=[EventKind.SETTLED, "accepted"], start="beginning"
    )

    assert [(e.delivery, e.kind) for e in islice(watch, 2)] == [
        (wanted.delivery, "ACCEPTED"),
        (wanted.delivery, "SETTLED"),
    ]


def test_a_pull_goes_on_where_the_last_one_ended(client):
    client.send(**MAIL)
    first = client.pull_events(start="beginning", max_events=3)
    second = client.pull_events(cursor=first.cursor, wait=5)

    assert [e.kind for e in (*first.events, *second.events)] == STORY
    assert client.pull_events(cursor=second.cursor).events == ()


def test_a_client_that_is_closed_ends_its_watch(service):
    client = Client(service.app.server.address)
    watch = client.watch(start="beginning")
    client.send(**MAIL)
    next(watch)
    threading.Timer(0.05, client.close).start()

    with pytest.raises(Exception, match="closed"):
        list(watch)


def test_asyncio_watches_the_same(service):
    async def watch() -> list[str]:
        async with AsyncClient(service.app.server.address) as client:
            await client.send(**MAIL)
            kinds: list[str] = []
            async for event in client.watch(start="beginning"):
                kinds.append(event.kind)
                if len(kinds) == 4:
                    break
            page = await client.pull_events(start="beginning")
            return [*kinds, str(len(page.events))]

    assert asyncio.run(watch()) == [*STORY, "4"]


def command(service, *options: str) -> list[str]:
    """The first four lines that `postroom watch` prints."""
    program = [sys.executable, "-m", "postroom.cli", "--target"]
    watch = [*program, service.app.server.address, "watch", *options]
    with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as process:
        lines = list(islice(process.stdout, 4))
        process.kill()
    return lines


def test_the_command_prints_a_line_for_each_event(client, service):
    result = client.send(**MAIL)
    lines = command(service, "--from-beginning", "--delivery", result.delivery)

    assert [line.split()[2] for line in lines] == STORY
    assert all(result.delivery in line for line in lines)
    assert lines[-1].split()[3] == "SUCCESS"
    assert "ada@example.com" in lines[2]


def test_the_command_prints_json_with_cursors(client, service):
    cursor = client.pull_events().cursor
    client.send(**MAIL)
    lines = command(service, "--follow-from", cursor, "--json")

    told = [json.loads(line) for line in lines]
    assert [event["kind"] for event in told] == STORY
    assert all(event["cursor"] for event in told)


def test_the_command_ends_at_ctrl_c_and_says_how_to_go_on(client, service):
    program = [sys.executable, "-m", "postroom.cli", "--target"]
    options = ["watch", "--from-beginning", "--kind", "accepted"]
    client.send(**MAIL)
    with subprocess.Popen(
        [*program, service.app.server.address, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        client.send(**MAIL)
        # With the second line the place after the first is known.
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=CALL)

    assert process.returncode == 0, told
    assert "postroom watch --follow-from" in told


_CTRL_C_AS_A_LOCK_IS_LET_GO = """
import sys, threading
from postroom.cli import main
wait = threading.Condition.wait
def planted(condition, timeout=None):
    name = sys._getframe(1).f_globals["__name__"]
    if threading.current_thread() is threading.main_thread() and "grpc" in name:
        threading.Condition.wait = wait
        condition._release_save()
        raise KeyboardInterrupt
    return wait(condition, timeout)
threading.Condition.wait = planted
main()
"""


def test_ctrl_c_within_a_lock_of_grpc_ends_the_command_like_any(service):
    program = [sys.executable, "-c", _CTRL_C_AS_A_LOCK_IS_LET_GO, "--target"]
    ended = subprocess.run(
        [*program, service.app.server.address, "watch", "--from-beginning"],
        capture_output=True,
        text=True,
        timeout=CALL,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (
        0,
        "go on with: postroom watch --from-beginning\n",
    )


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [("no pe", 3, "delivery: must look like"), ("nope", 4, "deliveries/nope")],
)
def test_the_command_waits_for_no_delivery_that_there_is_not(
    service, name, code, words
):
    target = ["--target", service.app.server.address]
    ended = CliRunner().invoke(app, [*target, "watch", "--delivery", name])

    assert ended.exit_code == code
    assert words in ended.stderr


def test_the_command_says_that_a_delivery_is_settled_already(client, service):
    result = client.send(**MAIL)
    program = [sys.executable, "-m", "postroom.cli", "--target"]
    watch = [*program, service.app.server.address, "watch"]
    with subprocess.Popen(
        [*watch, "--delivery", result.delivery], stderr=subprocess.PIPE, text=True
    ) as process:
        told = process.stderr.readline()
        process.kill()

    assert f"{result.delivery} is settled already, SUCCESS" in told


def test_the_command_takes_one_start():
    ended = CliRunner().invoke(app, ["watch", "--from-beginning", "--follow-from", "x"])

    assert ended.exit_code == 2


def test_the_command_says_that_it_waits_for_a_service_that_is_away(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    target = ["--target", f"127.0.0.1:{free_port()}", "--timeout", "0.5"]
    ended = CliRunner().invoke(app, [*target, "watch"])

    assert ended.exit_code == 4
    assert "waiting for it" in ended.stderr
