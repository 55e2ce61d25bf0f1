"""Tenants beside each other: each sees its own, and of the others not even that."""

from __future__ import annotations

import hashlib

import grpc
import pytest
from google.rpc import error_details_pb2
from postroom.v1 import content_pb2, event_pb2, message_pb2, send_pb2, stats_pb2
from postroom.v1 import delivery_requests_pb2 as looking
from postroom_server.domain.principal import Role

from tests.support.callers import a_caller
from tests.support.service import a_request, details, plain, reason, running
from tests.support.streams import blob_frames, mail_frames, stored_files
from tests.support.tenants import As, configured

UNKNOWN = "deliveries/" + "0" * 32
ACME = a_caller("acme-web", tenant="acme")
BRAVO = a_caller("bravo-web", tenant="bravo")
OPERATOR = a_caller("ops", Role.ADMINISTRATOR, tenant="ops")
NARROW = a_caller(
    "narrow", tenant="acme", senders=("*@example.com", "noreply@example.org")
)


@pytest.fixture
def service(tmp_path, relay):
    extra = configured(ACME, BRAVO, OPERATOR, NARROW)
    with running(tmp_path, {"main": plain(relay.port)}, relay, extra) as service:
        yield service


@pytest.fixture
def acme(service):
    return As(service.stub, ACME)


@pytest.fixture
def bravo(service):
    return As(service.stub, BRAVO)


@pytest.fixture
def operator(service):
    return As(service.stub, OPERATOR)


def sent(caller, **fields):
    return caller.SendMessage(a_request(**fields)).result.delivery


def refusal_of(call, request):
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value


def heard(call, make, name):
    """All that a caller hears, with what it asked for and the call's id left out."""
    error = refusal_of(call, make(name))
    status = details(error)
    told = []
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            del info.metadata["request_id"]
            detail.Pack(info)
        told.append(detail.SerializeToString(deterministic=True))
    asked = name.encode()
    return (error.code(), error.details(), [one.replace(asked, b"?") for one in told])


ABOUT_ONE = {
    "GetDelivery": lambda name: looking.GetDeliveryRequest(delivery=name),
    "CancelDelivery": lambda name: looking.CancelDeliveryRequest(delivery=name),
    "RetryDelivery": lambda name: looking.RetryDeliveryRequest(delivery=name),
}


@pytest.mark.parametrize("method", ABOUT_ONE)
def test_a_foreign_delivery_is_one_that_there_is_not(acme, bravo, method):
    foreign = sent(bravo)
    make = ABOUT_ONE[method]
    call = getattr(acme, method)

    found = heard(call, make, foreign)
    assert found == heard(call, make, UNKNOWN)
    assert found[0] is grpc.StatusCode.NOT_FOUND


def test_an_administrator_has_a_tenant_too(operator, bravo):
    foreign = sent(bravo)
    error = refusal_of(
        operator.GetDelivery, looking.GetDeliveryRequest(delivery=foreign)
    )

    assert reason(error) == "DELIVERY_NOT_FOUND"


def test_a_foreign_request_id_is_one_that_there_is_not(acme, bravo):
    sent(bravo, request_id="theirs")

    def make(name):
        return looking.GetDeliveryRequest(request_id=name)

    foreign = heard(acme.GetDelivery, make, "theirs")
    assert foreign == heard(acme.GetDelivery, make, "unused")
    assert foreign[0] is grpc.StatusCode.NOT_FOUND


def test_a_request_id_means_another_mail_to_another_tenant(service, acme, bravo):
    ours = sent(acme, request_id="order-1")
    theirs = sent(bravo, request_id="order-1", to="bob@example.com")

    assert ours != theirs
    assert len(service.relay.messages) == 2
    assert (
        acme.GetDelivery(
            looking.GetDeliveryRequest(request_id="order-1")
        ).delivery.result.delivery
        == ours
    )


def test_the_id_of_another_tenants_cancellation_is_free(acme, bravo):
    foreign = sent(bravo)
    refusal_of(
        bravo.CancelDelivery,
        looking.CancelDeliveryRequest(delivery=foreign, request_id="undo-1"),
    )

    assert sent(acme, request_id="undo-1")


def test_a_list_holds_the_tenants_own(acme, bravo, operator):
    ours, theirs = {sent(acme) for _ in range(3)}, {sent(bravo) for _ in range(2)}

    def listed(caller):
        found = caller.ListDeliveries(looking.ListDeliveriesRequest()).deliveries
        return {one.result.delivery for one in found}

    assert (listed(acme), listed(bravo), listed(operator)) == (ours, theirs, set())


def test_a_page_token_is_of_no_use_to_another_tenant(acme, bravo):
    for caller in (acme, acme, bravo, bravo):
        sent(caller)
    page = looking.ListDeliveriesRequest(page_size=1)
    page.page_token = bravo.ListDeliveries(page).next_page_token
    assert page.page_token

    assert reason(refusal_of(acme.ListDeliveries, page)) == "INVALID_TOKEN"


def test_a_tenant_hears_of_its_own_mail_alone(acme, bravo, operator):
    watches = {
        who: caller.WatchDeliveries(event_pb2.WatchDeliveriesRequest())
        for who, caller in (("acme", acme), ("bravo", bravo))
    }
    for stream in watches.values():
        assert not next(stream).events
    theirs, ours = sent(bravo), sent(acme)
    beginning = event_pb2.PullEventsRequest(
        start_position=event_pb2.START_POSITION_BEGINNING
    )

    def of(answer):
        return {event.delivery for event in answer.events}

    assert of(next(watches["acme"])) == {ours}
    assert of(next(watches["bravo"])) == {theirs}
    assert of(acme.PullEvents(beginning)) == {ours}
    assert of(operator.PullEvents(beginning)) == set()
    for stream in watches.values():
        stream.cancel()


def test_a_filter_by_a_foreign_delivery_tells_nothing(acme, bravo):
    theirs = sent(bravo)
    request = event_pb2.PullEventsRequest(
        filter={"deliveries": [theirs]},
        start_position=event_pb2.START_POSITION_BEGINNING,
    )

    assert not acme.PullEvents(request).events
    assert bravo.PullEvents(request).events


def test_a_cursor_is_of_no_use_to_another_tenant(acme, bravo):
    cursor = bravo.PullEvents(event_pb2.PullEventsRequest()).cursor
    request = event_pb2.PullEventsRequest(start_cursor=cursor)

    assert reason(refusal_of(acme.PullEvents, request)) == "INVALID_TOKEN"
    assert bravo.PullEvents(request).cursor


def stats(caller, **fields):
    return caller.GetStats(stats_pb2.GetStatsRequest(**fields))


def accepted(told):
    return {w.counters.accepted for w in told.windows}


def test_a_tenant_is_told_its_own_numbers(acme, bravo):
    for caller in (acme, bravo, bravo):
        sent(caller)

    # ALL is of the store, the others are of the process.
    assert (accepted(stats(acme)), accepted(stats(bravo))) == ({1}, {2})
    assert accepted(stats(bravo, relay="relays/main")) == {2}


def test_a_tenants_latencies_are_its_own(acme, bravo):
    sent(bravo)
    sends = [
        latency.count
        for window in stats(acme, include_latencies=True).windows
        for latency in window.latencies
    ]

    assert set(sends) == {0}


@pytest.mark.parametrize("asked", ["include_relays", "include_tenants"])
def test_pools_and_tenants_are_for_administrators(acme, operator, asked):
    error = refusal_of(acme.GetStats, stats_pb2.GetStatsRequest(**{asked: True}))

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason(error) == "METHOD_NOT_ALLOWED"
    assert stats(operator, **{asked: True}).windows


def test_an_administrator_is_told_the_numbers_of_all(acme, bravo, operator):
    for caller in (acme, bravo, bravo):
        sent(caller)
    told = stats(operator, include_tenants=True, include_relays=True)

    assert accepted(told) == {3}
    assert [(t.tenant, accepted(t)) for t in told.tenants] == [
        ("tenants/bravo", {2}),
        ("tenants/acme", {1}),
    ]
    assert [accepted(r) for r in told.relays] == [{3}]


SENDERS = [
    ({"from_mailbox": {"address": "ada@example.com"}}, True),
    ({"from_mailbox": {"address": "ADA@EXAMPLE.COM"}}, True),
    ({"from_mailbox": {"address": "noreply@example.org"}}, True),
    ({"from_mailbox": {"address": "other@example.org"}}, False),
    ({"from_mailbox": {"address": "ada@sub.example.com"}}, False),
    ({"from_mailbox": {"address": "ada@example.com.example.net"}}, False),
    ({"from_mailbox": {"address": '"ada@example.com"@example.net'}}, False),
    ({"from_mailbox": {"address": "ada@ex\u0430mple.com"}}, False),
    ({"from_mailbox": {"address": "x@example.net", "name": "a@example.com"}}, False),
    ({"sender": {"address": "ada@example.net"}}, False),
    ({"sender": {"address": "noreply@example.org"}}, True),
    ({"envelope_from": "ada@example.net"}, False),
    ({"envelope_from": "bounces@example.com"}, True),
    ({"envelope_from": "<>"}, True),
    ({"reply_to": [{"address": "ada@example.net"}]}, True),
]


@pytest.mark.parametrize(("message", "fine"), SENDERS)
def test_a_credential_sends_in_the_names_it_may(service, message, fine):
    narrow = As(service.stub, NARROW)
    mail = {"from_mailbox": {"address": "me@example.com"}, **message}
    request = a_request(message=mail)
    if fine:
        assert narrow.SendMessage(request).result.delivery
    else:
        error = refusal_of(narrow.SendMessage, request)
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED
        assert reason(error) == "SENDER_NOT_ALLOWED"
        assert not service.relay.messages


def test_a_mail_that_is_only_checked_is_held_to_the_same(service):
    narrow = As(service.stub, NARROW)
    mail = {"from_mailbox": {"address": "me@example.net"}}
    request = a_request(message=mail, validate_only=True)

    assert reason(refusal_of(narrow.SendMessage, request)) == "SENDER_NOT_ALLOWED"


def test_the_default_of_a_relay_is_a_name_like_any_other(tmp_path, relay):
    keys = plain(relay.port, from_address="relay@example.net")
    with running(tmp_path, {"main": keys}, relay, configured(NARROW)) as service:
        narrow = As(service.stub, NARROW)
        error = refusal_of(
            narrow.SendMessage, a_request(message={"from_mailbox": None})
        )

    assert reason(error) == "SENDER_NOT_ALLOWED"


def test_the_bounce_address_of_a_relay_is_the_operators_choice(tmp_path, relay):
    keys = plain(relay.port, envelope_from="bounces@example.net")
    with running(tmp_path, {"main": keys}, relay, configured(NARROW)) as service:
        assert sent(As(service.stub, NARROW))

    assert relay.messages[0].envelope_from == "bounces@example.net"


DATA = b"a file of bravo's"
SHA256 = hashlib.sha256(DATA)


def with_blob(sha256):
    part = {
        "filename": "a.bin",
        "content_type": "application/octet-stream",
        "blob": f"blobs/{sha256}",
    }
    return a_request(message={"attachments": [part]})


def test_a_foreign_blob_is_one_that_there_is_not(acme, bravo):
    bravo.UploadBlob(blob_frames(DATA))
    unknown = hashlib.sha256(b"never uploaded").hexdigest()

    foreign = heard(acme.SendMessage, with_blob, SHA256.hexdigest())
    assert foreign == heard(acme.SendMessage, with_blob, unknown)
    assert foreign[0] is grpc.StatusCode.NOT_FOUND
    assert bravo.SendMessage(with_blob(SHA256.hexdigest())).result.delivery


def test_nobody_learns_whether_another_tenant_has_a_file(acme, bravo):
    bravo.UploadBlob(blob_frames(DATA))
    # Whoever has it need not bring it; a stranger's empty promise is not believed.
    claim = blob_frames(b"?", sha256=SHA256.digest())
    refused = refusal_of(acme.UploadBlob, claim)
    first = acme.UploadBlob(blob_frames(DATA))

    assert reason(refused) == "CHECKSUM_MISMATCH"
    assert not first.existed
    assert bravo.UploadBlob(blob_frames(b"?", sha256=SHA256.digest())).existed


def test_a_foreign_delivery_is_not_rendered(acme, bravo):
    foreign = sent(bravo)

    def rendered(request):
        return list(acme.RenderMessage(request))

    def make(name):
        return content_pb2.RenderMessageRequest(delivery=name)

    found = heard(rendered, make, foreign)
    assert found == heard(rendered, make, UNKNOWN)
    assert found[0] is grpc.StatusCode.NOT_FOUND


FORBIDDEN = {"from_mailbox": {"address": "me@example.net"}}


def test_rendering_is_held_to_the_same_names(service):
    request = content_pb2.RenderMessageRequest(request=a_request(message=FORBIDDEN))
    narrow = As(service.stub, NARROW)
    error = refusal_of(lambda asked: list(narrow.RenderMessage(asked)), request)

    assert reason(error) == "SENDER_NOT_ALLOWED"


def test_a_mail_in_pieces_is_held_to_the_same_names(service):
    mail = {**FORBIDDEN, "text_blob": "parts/text"}
    request = a_request(message=mail)
    request.message.ClearField("text_body")
    request.message.text_blob = "parts/text"
    narrow = As(service.stub, NARROW)
    frames = mail_frames(request, {"parts/text": b"Hello."})

    assert reason(refusal_of(narrow.SendMessageStream, frames)) == "SENDER_NOT_ALLOWED"


RAW = (
    b"Date: Mon, 23 Nov 2026 01:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
    b"From: %s\r\nSubject: Hi\r\n\r\nHello.\r\n"
)


@pytest.mark.parametrize(
    ("header", "envelope", "fine"),
    [
        (b"me@example.com", "me@example.com", True),
        (b"Me <me@example.com>", "<>", True),
        (b"me@example.net", "me@example.com", False),
        (b"me@example.com", "me@example.net", False),
        (
            b"me@example.com, you@example.net\r\nSender: me@example.com",
            "me@example.com",
            False,
        ),
        (b"me@example.com\r\nSender: you@example.net", "me@example.com", False),
        (b'"me@example.com" <me@example.net>', "me@example.com", False),
        (b"me@example.com\r\nResent-From: x@example.com", "me@example.com", True),
        (b"me@example.com\r\nResent-From: x@example.net", "me@example.com", False),
        (b"me@example.com\r\nresent-sender: x@example.net", "me@example.com", False),
    ],
)
def test_a_composed_mail_is_held_to_the_same_names(service, header, envelope, fine):
    raw = message_pb2.RawMessage(
        data=RAW % header, envelope_from=envelope, recipients=["ada@example.com"]
    )
    narrow = As(service.stub, NARROW)
    request = send_pb2.SendMessageRequest(raw_message=raw)
    if fine:
        assert narrow.SendMessage(request).result.delivery
    else:
        assert reason(refusal_of(narrow.SendMessage, request)) == "SENDER_NOT_ALLOWED"
    assert bool(service.relay.messages) == fine


def test_a_tenant_cannot_fill_the_disk_with_what_its_quota_refuses(tmp_path, relay):
    limits = "[limits]\nmax_blobs_bytes = 100_000\nmax_blob_bytes = 100_000\n"
    extra = f"{limits}{configured(ACME, BRAVO)}"
    with running(tmp_path, {"main": plain(relay.port)}, relay, extra) as service:
        acme = As(service.stub, ACME)
        acme.UploadBlob(blob_frames(b"a" * 90_000))
        refused = [
            reason(refusal_of(acme.UploadBlob, blob_frames(octet * 90_000)))
            for octet in (b"b", b"c", b"d")
        ]
        again = acme.UploadBlob(blob_frames(b"a" * 90_000))
        others = As(service.stub, BRAVO).UploadBlob(blob_frames(b"b" * 90_000))
        kept = stored_files(service)

    assert refused == ["QUOTA_EXCEEDED"] * 3
    assert (again.existed, others.existed) == (True, False)
    assert len(kept) == 2


ONCE = send_pb2.RetryPolicy(disabled=True)
ABROAD = {"from_mailbox": {"address": "boss@example.net"}}


@pytest.fixture
def put_off(service, acme):
    """A mail of acme's in a name that its narrow credential may not use."""
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    request = a_request(message=ABROAD, request_id="abroad", retry=ONCE)
    acme.SendMessage(request)
    return request


@pytest.mark.parametrize("how", ["RetryDelivery", "SendMessage"])
def test_a_mail_goes_on_for_those_who_may_send_in_its_name(service, acme, put_off, how):
    name = acme.GetDelivery(looking.GetDeliveryRequest(request_id="abroad"))
    retry = looking.RetryDeliveryRequest(delivery=name.delivery.result.delivery)
    request = {"RetryDelivery": retry, "SendMessage": put_off}[how]
    refused = refusal_of(getattr(As(service.stub, NARROW), how), request)
    before = len(service.relay.messages)
    getattr(acme, how)(request)

    assert reason(refused) == "SENDER_NOT_ALLOWED"
    assert (before, len(service.relay.messages)) == (0, 1)


@pytest.mark.usefixtures("put_off")
def test_a_tenants_mail_is_looked_at_with_any_of_its_credentials(service):
    narrow = As(service.stub, NARROW)
    told = narrow.GetDelivery(looking.GetDeliveryRequest(request_id="abroad"))
    request = content_pb2.RenderMessageRequest(delivery=told.delivery.result.delivery)

    assert told.delivery.result.is_retryable
    assert list(narrow.RenderMessage(request))


def test_the_same_request_may_be_asked_after_with_any_credential(service, acme):
    request = a_request(message=ABROAD, request_id="done")
    first = acme.SendMessage(request).result
    again = As(service.stub, NARROW).SendMessage(request).result

    assert (again.delivery, again.replayed) == (first.delivery, True)
    assert len(service.relay.messages) == 1
