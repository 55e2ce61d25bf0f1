"""grpcurl against the service with TLS and a token."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from postroom_server.domain.principal import Role
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.callers import a_caller, tls_files
from tests.support.service import plain, running
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

CALLER = a_caller("ops", Role.ADMINISTRATOR)


@pytest.fixture
def target(tmp_path):
    require_tool("grpcurl")
    files = tls_files(tmp_path)
    digest = CALLER.credential.token_digests[0].hex()
    extra = (
        f'[server.tls]\ncert_file = "{files.cert}"\nkey_file = "{files.key}"\n'
        f'[credentials.ops]\nrole = "administrator"\ntoken_sha256 = ["{digest}"]\n'
    )
    with (
        SandboxRelay() as relay,
        running(tmp_path, {"main": plain(relay.port)}, relay, extra) as service,
    ):
        yield service.app.server.address, str(files.authority)


def grpcurl(target, *arguments, token=CALLER.token):
    address, authority = target
    return subprocess.run(
        [
            *("grpcurl", "-cacert", authority, "-expand-headers"),
            *("-H", "authorization: Bearer ${TOKEN}"),
            *arguments[:-1],
            address,
            arguments[-1],
        ],
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_method_is_called_with_a_token_over_tls(target):
    told = grpcurl(target, "postroom.v1.DeliveryService/GetServerInfo")

    assert json.loads(told.stdout)["version"], told.stderr


def test_the_contract_is_listed_with_a_token(target):
    assert "postroom.v1.DeliveryService" in grpcurl(target, "list").stdout


def test_a_wrong_token_is_told(target):
    refused = grpcurl(
        target, "postroom.v1.DeliveryService/GetServerInfo", token="x" * 40
    )

    assert "Unauthenticated" in refused.stderr
