"""Mail from a Flask application to the real service."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from flask import Flask, jsonify
from flask.json.provider import JSONProvider
from postroom import Attachment, InvalidRequest, Mailbox
from postroom.flask import Message, Postroom

MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}


@pytest.fixture
def mail() -> Postroom:
    return Postroom()


@pytest.fixture
def app(mail) -> Flask:
    """An application that has no service."""
    app = Flask("shop")
    app.config.update(TESTING=True, POSTROOM_TARGET="127.0.0.1:1")
    mail.init_app(app)
    return app


@pytest.fixture
def served(app, mail, target) -> Flask:
    """The same with a service, and a view that sends."""
    app.config["POSTROOM_TARGET"] = target

    @app.post("/send/<to>")
    def send(to):
        return jsonify(mail.send(to=to, subject="Hello", text="It works."))

    return app


def test_a_view_answers_with_the_result_as_a_dictionary(served, mail):
    answer = served.test_client().post("/send/ada@example.com").json
    with served.app_context():
        stored = mail.client.get(answer["delivery"]).result.to_dict()

    assert answer == {**stored, "attempts": answer["attempts"]}
    assert answer["status"] == "SUCCESS"
    assert answer["ok"] is True
    assert answer["accepted_at"].endswith("Z")


def test_a_refused_recipient_is_in_the_answer(served):
    answer = served.test_client().post("/send/bounce@example.com").json

    assert answer["status"] == "REJECTED"
    assert answer["recipient_failures"]["bounce@example.com"]["code"] == 550


def test_jsonify_still_takes_what_flask_takes(app):
    with app.app_context():
        answer = jsonify(Mailbox("a@example.com")).json

    assert answer == {"address": "a@example.com", "name": ""}


def test_another_provider_of_json_is_left_alone(mail):
    class Plain(JSONProvider):
        def dumps(self, obj, **kwargs):
            return "dumped"

        loads = None

    app = Flask("shop")
    app.json = Plain(app)
    mail.init_app(app)

    assert app.json.dumps({}) == "dumped"


def test_a_message_is_sent(served, mail, relay):
    message = Message(
        to=["ada@example.com"],
        bcc="bcc@example.com",
        from_="Me <me@example.com>",
        subject="Hello",
        html="<p>Hi",
        attachments=[Attachment("a.txt", "text/plain", b"a")],
        headers={"X-Kind": "greeting"},
    )
    with served.app_context():
        result = mail.send(message, completion="relayed")

    assert result.delivered
    assert relay.messages[0].recipients == ("ada@example.com", "bcc@example.com")
    assert b"X-Kind: greeting" in relay.messages[0].data


def test_arguments_come_before_the_message(app, mail):
    with app.app_context(), mail.record_messages() as outbox:
        mail.send(Message(**MAIL), subject="Another")

    assert outbox == [{**MAIL, "subject": "Another"}]


def test_settings_are_what_holds_for_all(served, mail, service, relay):
    served.config.update(POSTROOM_RELAY="other", POSTROOM_FROM="all@example.com")
    with served.app_context():
        result = mail.send(**MAIL)
        mail.send(**MAIL, from_="one@example.com")

    assert service.get(result.delivery).relay == "relays/other"
    assert [m.envelope_from for m in relay.messages] == [
        "all@example.com",
        "one@example.com",
    ]


def test_an_extension_made_with_its_application_needs_no_context(target, relay):
    app = Flask("shop")
    app.config["POSTROOM_TARGET"] = target

    assert Postroom(app).send(**MAIL).delivered


def test_one_extension_serves_two_applications(app, mail):
    other = Flask("other")
    mail.init_app(other)
    with app.app_context(), mail.record_messages() as ours:
        with other.app_context(), mail.record_messages() as theirs:
            mail.send(**MAIL)

        assert (len(ours), len(theirs)) == (0, 1)


def test_without_an_application_it_says_what_to_do(mail):
    with pytest.raises(RuntimeError, match="push an application context"):
        mail.send(**MAIL)
    with Flask("other").app_context(), pytest.raises(RuntimeError, match="init_app"):
        mail.send(**MAIL)


def test_recorded_mail_is_not_sent_and_looks_delivered(app, mail):
    with app.app_context(), mail.record_messages() as outbox:
        result = mail.send(**MAIL, bcc=["Bob <bob@example.com>", "ada@example.com"])

    assert outbox[0]["subject"] == "Hello"
    assert result.delivered
    assert [r.address for r in result.recipients] == [
        "ada@example.com",
        "bob@example.com",
    ]


def test_recording_ends(served, mail, relay):
    with served.app_context():
        with mail.record_messages() as outbox:
            pass
        mail.send(**MAIL)

    assert outbox == []
    assert len(relay.messages) == 1


def test_records_may_stand_in_each_other(app, mail):
    with app.app_context(), mail.record_messages() as outer:
        with mail.record_messages() as inner:
            mail.send(**MAIL)
        mail.send(**MAIL)

    assert (len(outer), len(inner)) == (2, 1)


def test_other_threads_are_recorded_too(app, mail):
    def send():
        with app.app_context():
            mail.send(**MAIL)

    thread = threading.Thread(target=send)
    with app.app_context(), mail.record_messages() as outbox:
        thread.start()
        thread.join(10)

    assert len(outbox) == 1


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"to": "a@example.com, b@example.com"}, InvalidRequest), ({"too": 1}, TypeError)],
)
def test_recorded_mail_is_checked(app, mail, wrong, error):
    with app.app_context(), mail.record_messages() as outbox, pytest.raises(error):
        mail.send(**{**MAIL, **wrong})

    assert outbox == []


FORKING = """
import os, sys
from flask import Flask
from postroom.flask import Postroom

app = Flask("shop")
app.config["POSTROOM_TARGET"] = sys.argv[1]
mail = Postroom(app)
if sys.argv[2] == "sends":
    mail.send(to="ada@example.com", subject="Hello", text="before")
before = mail.client if sys.argv[2] == "sends" else None
child = os.fork()
assert child or mail.client is not before
result = mail.send(to="ada@example.com", subject="Hello", text=str(child))
if not child:
    os._exit(0 if result.delivered else 1)
assert os.waitpid(child, 0)[1] == 0
assert result.delivered
"""


@pytest.mark.parametrize(
    ("parent", "support", "mails"), [("waits", "0", 2), ("sends", "1", 3)]
)
def test_workers_that_were_forked_send(target, relay, parent, support, mails):
    ran = subprocess.run(
        [sys.executable, "-c", FORKING, target, parent],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": support},
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(relay.messages) == mails


def test_clients_are_made_once_by_threads_that_come_at_once(app, mail):
    gate, clients = threading.Barrier(8), []

    def ask():
        with app.app_context():
            gate.wait(10)
            clients.append(mail.client)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len({id(client) for client in clients}) == 1
