"""The options of the command line for what goes with a mail."""

from __future__ import annotations

import json

import pytest
from postroom.cli.app import app
from postroom.v1 import delivery_requests_pb2, send_pb2
from typer.testing import CliRunner

from tests.integration.client.answers import delivery, sent, taken

MAIL = ["send", "--to", "ada@example.com", "--subject", "Hello", "--text", "It works."]


@pytest.fixture
def run(service, monkeypatch):
    monkeypatch.setenv("POSTROOM_TARGET", service.target)
    service.script("SendMessage", sent(recipients=[taken("ada@example.com")]))
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_a_mail_is_sent_with_labels(run, service):
    given = ["--tag", "a", "--tag", "b", "--meta", "order=17", "--meta", "q=a=b"]

    assert run(*MAIL, *given).exit_code == 0
    (request,) = service.requests
    assert list(request.tags) == ["a", "b"]
    assert dict(request.metadata) == {"order": "17", "q": "a=b"}


@pytest.mark.parametrize("given", [["order"], ["a=1", "--meta", "a=2"]])
@pytest.mark.parametrize("command", [MAIL, ["list"]])
def test_a_pair_that_is_none_is_wrong_usage(run, service, command, given):
    found = run(*command, "--meta", *given)

    assert found.exit_code == 2
    assert "--meta" in found.stderr
    assert not service.requests


def test_mails_are_listed_by_labels(run, service):
    assert run("list", "--tag", "a", "--meta", "order=17").exit_code == 0
    (request,) = service.requests
    assert request.filter.tag == "a"
    assert dict(request.filter.metadata) == {"order": "17"}


def test_a_delivery_shows_its_labels(run, service):
    found = delivery(tags=["b", "a"], metadata={"n": "1\x1b[2J", "m": "2"})
    answer = delivery_requests_pb2.GetDeliveryResponse(delivery=found)
    service.script("GetDelivery", answer, answer)
    shown = " ".join(run("get", "0198").stdout.split())

    assert "tags b, a" in shown
    assert "metadata m=2, n=1\ufffd[2J" in shown
    plain = json.loads(run("get", "0198", "--json").stdout)
    assert plain["tags"] == ["b", "a"]
    assert plain["metadata"] == {"n": "1\x1b[2J", "m": "2"}


def test_a_mail_is_sent_with_ways_to_unsubscribe(run, service):
    url, mailto = "https://example.com/u", "out@example.com"
    given = ["--unsubscribe-url", url, "--unsubscribe-mailto", mailto, "--one-click"]

    assert run(*MAIL, *given).exit_code == 0
    found = service.requests[0].message.unsubscribe
    assert (found.url, found.mailto, found.one_click) == (url, mailto, True)


def test_a_mail_without_options_has_no_way_to_unsubscribe(run, service):
    run(*MAIL)

    assert not service.requests[0].message.HasField("unsubscribe")


def test_a_mail_is_sent_with_what_to_notify_of(run, service):
    given = ["--dsn", "success", "--dsn", "delay", "--dsn-return", "headers"]

    assert run(*MAIL, *given, "--dsn-required").exit_code == 0
    assert service.requests[0].dsn == send_pb2.Dsn(
        notify=[send_pb2.DSN_NOTIFY_SUCCESS, send_pb2.DSN_NOTIFY_DELAY],
        return_content=send_pb2.DSN_RETURN_HEADERS,
        required=True,
    )


def test_a_mail_without_options_asks_for_no_notifications(run, service):
    run(*MAIL)

    assert not service.requests[0].HasField("dsn")


def test_an_attempt_tells_what_it_went_without(run, service):
    found = delivery()
    found.result.attempts.add(
        number=1, reply={"code": 250, "text": "ok"}, detail="sent without x"
    )
    answer = delivery_requests_pb2.GetDeliveryResponse(delivery=found)
    service.script("GetDelivery", answer)

    assert "250 ok; sent without x" in run("get", "0198").stdout
