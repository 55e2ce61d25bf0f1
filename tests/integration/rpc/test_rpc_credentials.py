"""Who may call what, and what everybody else hears."""

from __future__ import annotations

import grpc
import pytest
from postroom.v1 import connection_pb2, server_info_pb2, stats_pb2
from postroom.v1 import delivery_requests_pb2 as looking
from postroom_server.domain.clock import SystemClock, after
from postroom_server.domain.principal import Role
from postroom_server.rpc import methods
from postroom_server.rpc.pools import PoolKind, PoolPlan

from tests.support.callers import a_caller, bearer
from tests.support.raw_http2 import RawConnection

SERVICE = "/postroom.v1.DeliveryService/"
SENDER = a_caller("web")
ADMINISTRATOR = a_caller("ops", Role.ADMINISTRATOR)
LAPSED = a_caller("old", expires_at=after(SystemClock().now(), -1.0))
BOTH = (SENDER.credential, ADMINISTRATOR.credential, LAPSED.credential)

MAY = {
    # method: (sender, administrator)
    "SendMessage": (True, True),
    "SendMessageStream": (True, True),
    "SendMessages": (True, True),
    "BatchSendMessages": (True, True),
    "UploadBlob": (True, True),
    "RenderMessage": (True, True),
    "RetryDelivery": (True, True),
    "RescheduleDelivery": (True, True),
    "GetDelivery": (True, True),
    "ListDeliveries": (True, True),
    "CancelDelivery": (True, True),
    "WatchDeliveries": (True, True),
    "PullEvents": (True, True),
    "GetStats": (True, True),
    "GetServerInfo": (True, True),
    "TestConnection": (False, True),
}
SERVED = sorted(methods._ROWS)


def anything(channel, name, metadata=()):
    """The error of a call with a request that is empty; None: it was answered."""
    method = methods.DELIVERY_SERVICE.methods_by_name[name]
    kinds = (method.client_streaming, method.server_streaming)
    make = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }[kinds]
    call = make(f"{SERVICE}{name}", lambda _: b"", lambda raw: raw)
    asked = iter([None]) if method.client_streaming else None
    try:
        answer = call(asked, timeout=20, metadata=metadata)
        if method.server_streaming:
            list(answer)
    except grpc.RpcError as error:
        return error
    return None


@pytest.fixture
def guarded(serve):
    return serve(credentials=BOTH)


def test_the_table_names_every_method():
    assert set(SERVED) <= set(MAY)
    assert {m.name for m in methods.DELIVERY_SERVICE.methods} <= set(MAY)


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.parametrize(("place", "caller"), [(0, SENDER), (1, ADMINISTRATOR)])
def test_a_role_may_call_what_its_row_says(guarded, name, place, caller):
    error = anything(guarded.channel(), name, caller.metadata)
    code = error and error.code()

    denied = grpc.StatusCode.PERMISSION_DENIED
    assert (code is not denied) == MAY[name][place]
    assert code is not grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("name", SERVED)
def test_nobody_may_call_anything(guarded, name):
    error = anything(guarded.channel(), name)

    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


TOKEN = SENDER.token
STRANGERS = {
    "none": (),
    "empty": (("authorization", ""),),
    "no token": (("authorization", "Bearer "),),
    "no scheme": (("authorization", TOKEN),),
    "another scheme": (("authorization", f"Basic {TOKEN}"),),
    "wrong": bearer(a_caller().token),
    "one character off": bearer(TOKEN[:-1] + ("x" if TOKEN[-1] != "x" else "y")),
    "cut": bearer(TOKEN[:-1]),
    "longer": bearer(f"{TOKEN}x"),
    "another case": bearer(TOKEN.swapcase()),
    "its digest": bearer(SENDER.credential.token_digests[0].hex()),
    "a short one": bearer("x"),
    "a long one": bearer("x" * 5000),
    "expired": LAPSED.metadata,
    "two": (*SENDER.metadata, *bearer(a_caller().token)),
    "twice": (*SENDER.metadata, *SENDER.metadata),
    "in the wrong place": (("x-authorization", f"Bearer {TOKEN}"),),
}


def heard(refusal):
    """All that a caller hears, but for the id of its call."""
    facts = {k: v for k, v in refusal.info.metadata.items() if k != "request_id"}
    trailers = set(refusal.trailers) - {"x-request-id", "grpc-status-details-bin"}
    details = [d.type_url for d in refusal.status.details]
    return (refusal.code, refusal.text, refusal.info.reason, facts, trailers, details)


@pytest.mark.parametrize("metadata", STRANGERS.values(), ids=STRANGERS)
def test_whatever_is_wrong_with_a_credential_sounds_the_same(
    guarded, refused, metadata
):
    stub = guarded.stub()
    refusal = refused(
        stub.GetServerInfo, server_info_pb2.GetServerInfoRequest(), metadata=metadata
    )

    assert heard(refusal) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "a valid credential is required",
        "CREDENTIAL_REFUSED",
        {},
        set(),
        ["type.googleapis.com/google.rpc.ErrorInfo"],
    )


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_has_no_case(guarded, scheme):
    metadata = (("authorization", f"{scheme} {TOKEN}"),)

    assert anything(guarded.channel(), "GetServerInfo", metadata) is None


def test_a_role_that_does_not_reach_is_told_so(guarded, refused):
    refusal = refused(
        guarded.stub().TestConnection,
        connection_pb2.TestConnectionRequest(),
        metadata=SENDER.metadata,
    )

    assert refusal.info.reason == "METHOD_NOT_ALLOWED"


def test_a_token_ends_at_its_time_while_the_server_runs(serve):
    ends = a_caller(expires_at=after(SystemClock().now(), 3600.0))
    running = serve(credentials=(ends.credential,))
    channel = running.channel()
    assert anything(channel, "GetServerInfo", ends.metadata) is None

    credentials = running.server._admission._credentials
    credentials._clock = Later(3601)

    error = anything(channel, "GetServerInfo", ends.metadata)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


class Later:
    def __init__(self, seconds):
        self.seconds = seconds

    def now(self):
        return after(SystemClock().now(), self.seconds)


def test_of_several_tokens_each_is_good(serve):
    old, new = a_caller(), a_caller()
    digests = (*old.credential.token_digests, *new.credential.token_digests)
    both = a_caller()
    credential = type(both.credential)(
        principal=both.credential.principal, token_digests=digests
    )
    channel = serve(credentials=(credential,)).channel()

    for caller in (old, new):
        assert anything(channel, "GetServerInfo", caller.metadata) is None


def test_health_is_told_to_anyone(guarded):
    check = guarded.channel().unary_unary("/grpc.health.v1.Health/Check")

    assert check(b"", timeout=20) == b"\x08\x01"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
@pytest.mark.parametrize(("metadata", "told"), [((), False), (SENDER.metadata, True)])
def test_the_contract_is_told_to_callers_only(guarded, version, metadata, told):
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    ask = guarded.channel().stream_stream(path)
    answers = ask(iter([b":\x00"]), timeout=20, metadata=metadata)

    if told:
        assert b"DeliveryService" in next(answers)
        answers.cancel()
    else:
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "path",
    [
        "postroom.v1.DeliveryService/GetServerInfo",
        "//postroom.v1.DeliveryService/GetServerInfo",
        "/postroom.v1.DeliveryService//GetServerInfo",
        "/postroom.v1.deliveryservice/GetServerInfo",
        "/postroom.v1.DeliveryService/getserverinfo",
        "/postroom.v1.DeliveryService/GetServerInfo?",
        "/postroom.v1.DeliveryService/GetServerInfo/",
        "/postroom.v1.DeliveryService/GetServerInf%6F",
    ],
)
def test_a_path_that_only_looks_like_a_method_is_none(guarded, path):
    call = guarded.channel().unary_unary(path)
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", timeout=20)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_without_credentials_everybody_is_administrator(serve):
    channel = serve().channel()

    assert anything(channel, "TestConnection") is None
    assert anything(channel, "GetServerInfo", bearer("x")) is None


def test_what_a_behaviour_hears_of_its_caller(serve):
    seen = []

    def get_stats(_request, call):
        seen.append(call.principal)
        return stats_pb2.GetStatsResponse()

    channel = serve({"GetStats": get_stats}, credentials=BOTH).channel()
    anything(channel, "GetStats", SENDER.metadata)

    assert seen == [SENDER.credential.principal]


def test_the_log_tells_the_caller_and_not_its_token(guarded):
    channel = guarded.channel()
    anything(channel, "GetServerInfo", SENDER.metadata)
    anything(channel, "TestConnection", SENDER.metadata)
    anything(channel, "GetServerInfo", bearer("y" * 40))
    told, denied, stranger = guarded.records.until(3)

    assert (told.tenant, told.credential, told.code) == ("acme", "web", "OK")
    assert (denied.credential, denied.reason) == ("web", "METHOD_NOT_ALLOWED")
    assert (stranger.tenant, stranger.credential) == ("", "")
    assert TOKEN not in repr(guarded.records.all)


def test_strangers_who_send_no_body_hold_nobody_up(serve):
    running = serve(
        plans={PoolKind.CONTROL: PoolPlan(1, 4)},
        credentials=BOTH,
        body_timeout=20.0,
    )
    with RawConnection(running.server.address) as raw:
        for _ in range(40):
            raw.call(f"{SERVICE}GetDelivery")
        for _ in range(5):
            stub = running.stub()
            stub.GetDelivery(
                looking.GetDeliveryRequest(), timeout=10, metadata=SENDER.metadata
            )
        refusals = running.records.until(45)

    codes = [record.code for record in refusals]
    assert (codes.count("UNAUTHENTICATED"), codes.count("OK")) == (40, 5)
    # They were refused while their bodies were still to come.
    assert max(r.seconds for r in refusals if r.code == "UNAUTHENTICATED") < 15


def test_a_flood_of_strangers_does_not_starve_callers(serve):
    running = serve(credentials=BOTH)
    strangers = [running.stub() for _ in range(4)]
    wrong = bearer(a_caller().token)
    request = looking.GetDeliveryRequest()
    flood = [
        strangers[n % 4].GetDelivery.future(request, timeout=60, metadata=wrong)
        for n in range(1000)
    ]
    good = running.stub()
    for _ in range(20):
        good.GetDelivery(request, timeout=20, metadata=SENDER.metadata)

    ends = {(call.code(), call.details()) for call in flood}
    # A connection that has more calls than gRPC got rid of yet loses new ones: they
    # never come to us (RFC 9113 section 8.7, REFUSED_STREAM).
    heard = {code for code, why in ends if "RST_STREAM with error code 7" not in why}
    assert heard == {grpc.StatusCode.UNAUTHENTICATED}, ends
    assert running.server.pools()[PoolKind.CONTROL].started == 20


def test_a_stranger_is_not_told_whether_there_is_room(serve, refused):
    running = serve(
        plans={PoolKind.CONTROL: PoolPlan(1, 0)}, ready=False, credentials=BOTH
    )
    stranger = refused(running.stub().GetDelivery, looking.GetDeliveryRequest())

    assert stranger.info.reason == "CREDENTIAL_REFUSED"
