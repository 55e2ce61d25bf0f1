"""Every method of RelayService is for administrators."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import message_factory
from postroom_server.domain.principal import Role
from postroom_server.rpc import methods

from tests.support.callers import a_caller
from tests.support.service import details

SENDER = a_caller("web")
ADMINISTRATOR = a_caller("ops", Role.ADMINISTRATOR)
CREDENTIALS = (SENDER.credential, ADMINISTRATOR.credential)
SERVED = sorted(methods._RELAY_ROWS)


def empty(name):
    answer = methods.RELAY_SERVICE.methods_by_name[name].output_type
    return lambda *_: message_factory.GetMessageClass(answer)()


@pytest.fixture
def guarded(serve):
    behaviours = {name: empty(name) for name in SERVED}
    return serve(behaviours, credentials=CREDENTIALS)


def error_of(guarded, name, metadata=()):
    """The error of an empty call; None: it was answered."""
    path = f"/{methods.RELAY_SERVICE_NAME}/{name}"
    call = guarded.channel().unary_unary(path, lambda _: b"", lambda raw: raw)
    try:
        call(None, timeout=20, metadata=metadata)
    except grpc.RpcError as error:
        return error
    return None


def test_all_that_is_declared_is_guarded():
    declared = [method.name for method in methods.RELAY_SERVICE.methods]

    assert sorted(declared) == SERVED


@pytest.mark.parametrize("name", SERVED)
def test_an_administrator_may(guarded, name):
    assert error_of(guarded, name, ADMINISTRATOR.metadata) is None


@pytest.mark.parametrize("name", SERVED)
def test_a_sender_may_not(guarded, name):
    error = error_of(guarded, name, SENDER.metadata)

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert b"METHOD_NOT_ALLOWED" in details(error).SerializeToString()


@pytest.mark.parametrize("name", SERVED)
def test_nobody_may(guarded, name):
    assert error_of(guarded, name).code() is grpc.StatusCode.UNAUTHENTICATED
