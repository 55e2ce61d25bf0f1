"""How streams of mail end, and what they cost others meanwhile."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.delivery import waiting
from postroom_server.rpc import exchanging, routes
from postroom_server.rpc.windows import Windows

from tests.gates.holding_relay import HoldingRelay
from tests.support.callers import a_caller
from tests.support.mail_streams import MailStream, error_reason
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import CALL, plain, reason, running
from tests.support.silence import silent_relay
from tests.support.tenants import configured

ACCEPTED = send_pb.COMPLETION_ACCEPTED
SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
SENDER = a_caller("web", tenant="acme")
NARROW = a_caller("narrow", tenant="acme", senders=("*@example.org",))
MANY = 1500
MANY_MAILBOXES = [message_pb.Mailbox(address=f"{n:060}@example.com") for n in range(30)]


def engine_threads():
    names = (thread.name for thread in threading.enumerate())
    return [name for name in names if name.startswith("postroom-")]


def until(condition):
    for _ in range(int(CALL / 0.02)):
        if condition():
            return True
        threading.Event().wait(0.02)
    return False


def test_as_many_mails_as_may_wait_need_no_threads_of_their_own(tmp_path, relay):
    with (
        silent_relay() as silent,
        running(tmp_path, {"main": plain(silent.port, pool_size=2)}, relay) as service,
        MailStream(service) as stream,
    ):
        before = len(engine_threads())
        for number in range(256):
            stream.send(to=f"n{number}@example.com")
        assert until(lambda: service.app.engine.waiting("main") == 256)
        threads = len(engine_threads()) - before

    # Two of the stream, two that attempt, and those that may block.
    assert threads <= 4 + 8


def test_what_exceeds_the_window_is_not_read_before_a_place_is_free(
    tmp_path, relay, monkeypatch
):
    monkeypatch.setattr(exchanging, "Windows", lambda: Windows(each=3))
    short = Duration(seconds=1)
    with silent_relay() as silent:
        relays = {"main": plain(silent.port), "other": plain(relay.port)}
        with (
            running(tmp_path, relays, relay) as service,
            MailStream(service) as stream,
        ):
            stream.send("short", wait_timeout=short)
            stream.send("long")
            stream.send("longer")
            stream.send("waits for a place", relay="relays/other")
            answers = [stream.outcome().key for _ in range(2)]

    assert stream.windows == [3]
    assert answers == ["short", "waits for a place"]


@contextmanager
def little_window(service):
    """A stream over a connection whose window does not grow with what comes.

    gRPC's grows to megabytes, which are the caller's own.
    """
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
    address = service.app.server.address
    with (
        grpc.insecure_channel(address, options=options) as channel,
        MailStream(replace(service, channel=channel)) as stream,
    ):
        yield stream


def test_who_never_reads_costs_others_nothing_and_is_ended(
    tmp_path, relay, monkeypatch
):
    monkeypatch.setattr(routes, "STREAM_IDLE", 3.0)
    # What others send does not stand in line behind its mail.
    relays = {"main": plain(relay.port), "other": plain(relay.port)}
    with running(tmp_path, relays, relay) as service:
        with little_window(service) as deaf:
            for _ in range(MANY):
                deaf.send(completion=ACCEPTED, message={"bcc": MANY_MAILBOXES})
            with MailStream(service) as other:
                other.send(relay="relays/other")
                assert other.outcome().result.status == SUCCESS
            assert service.send(relay="relays/other").status == SUCCESS
            assert until(lambda: service.app.server.reading().silent)
            with pytest.raises(grpc.RpcError) as ended:
                list(deaf.rest())
        taken = service.app.engine.outbox.counters().accepted

    assert ended.value.code() is grpc.StatusCode.CANCELLED
    assert taken < MANY, "the window bounds what is taken from who does not read"


def test_a_caller_who_has_nothing_to_say_is_ended_and_one_who_waits_is_not(
    tmp_path, relay, monkeypatch
):
    monkeypatch.setattr(routes, "STREAM_IDLE", 3.0)
    with (
        silent_relay() as silent,
        running(tmp_path, {"main": plain(silent.port)}, relay) as service,
        MailStream(service) as idle,
        MailStream(service) as waiting,
    ):
        waiting.send()
        with pytest.raises(grpc.RpcError) as ended:
            list(idle.rest())

        assert ended.value.code() is grpc.StatusCode.CANCELLED
        assert waiting.call.is_active()


def test_a_shutdown_answers_what_was_taken_and_refuses_what_comes(
    tmp_path, relay, monkeypatch
):
    # The store of a busy machine may take longer than a caller can wait.
    monkeypatch.setattr(waiting, "BREAKING_OFF", CALL)
    held = HoldingRelay()
    held.hold_at("before MAIL")
    with (
        ScriptedRelay(held) as holding,
        running(tmp_path, {"main": plain(holding.port, pool_size=1)}, relay) as service,
        MailStream(service) as stream,
    ):
        stream.send("under way")
        stream.send("not begun")
        stream.send("queued", completion=ACCEPTED)
        assert stream.outcome().key == "queued"
        assert held.reached.wait(CALL)
        leaving = threading.Thread(target=service.app.drain, name="draining")
        leaving.start()
        refused = stream.outcome()
        stream.send("too late")
        late = stream.outcome()
        held.go_on()
        settled = stream.outcome()
        with pytest.raises(grpc.RpcError) as ended:
            list(stream.rest())
        leaving.join(CALL)

    assert (refused.key, error_reason(refused)) == ("not begun", "DRAINING")
    assert (late.key, error_reason(late)) == ("too late", "DRAINING")
    assert (settled.key, settled.result.status) == ("under way", SUCCESS)
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(ended.value) == "DRAINING"


@pytest.mark.usefixtures("unhurried")
def test_the_deadline_of_a_stream_is_that_of_its_mails(tmp_path, relay):
    with (
        silent_relay() as silent,
        running(tmp_path, {"main": plain(silent.port, pool_size=1)}, relay) as service,
        MailStream(service, timeout=12.0) as stream,
    ):
        for _ in range(3):
            stream.send()
        answers = stream.outcomes(3).values()

    told = {error_reason(a) or a.result.status for a in answers}
    assert told <= {"DEADLINE_PASSED", delivery_pb.DELIVERY_STATUS_TEMP_FAILED}


@pytest.fixture
def guarded(tmp_path, relay):
    extra = configured(SENDER, NARROW)
    with running(tmp_path, {"main": plain(relay.port)}, relay, extra) as service:
        yield service


def test_strangers_get_no_stream(guarded):
    with MailStream(guarded) as stream, pytest.raises(grpc.RpcError) as refused:
        stream.frame()

    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_senders_are_checked_mail_by_mail(guarded):
    with MailStream(guarded, metadata=NARROW.metadata) as stream:
        stream.send()
        refused = stream.outcome()
        stream.send(message={"from_mailbox": {"address": "me@example.org"}})
        taken = stream.outcome()

    assert error_reason(refused) == "SENDER_NOT_ALLOWED"
    assert taken.result.status == SUCCESS


def test_a_tenant_s_rate_is_told_of_each_mail_with_the_time_to_wait(tmp_path, relay):
    slow = "[tenants.default]\nmax_per_second = 0.01\nburst = 1\n"
    with (
        running(tmp_path, {"main": plain(relay.port)}, relay, slow) as service,
        MailStream(service) as stream,
    ):
        for _ in range(2):
            stream.send()
        answers = stream.outcomes(2).values()

    (refused,) = (a for a in answers if a.HasField("error"))
    assert error_reason(refused) == "RATE_LIMITED"
    assert refused.error.retry_delay.seconds > 10
