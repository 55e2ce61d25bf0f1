"""Both clients with the whole service: mail in pieces, uploads, renderings."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hashlib
import random
from functools import partial

import pytest
from postroom import Attachment, Client, InvalidRequest, NotFound, RawMessage, Status
from postroom.cli.app import app
from typer.testing import CliRunner

from tests.integration.client.clients import Awaited

CONTENT = random.Random(11).randbytes(4_000_000)
TEXT = "Zwölf Boxkämpfer jagen Viktor.\r\n" * 50_000
MAIL = {"from_": "me@example.com", "to": "ada@example.com", "subject": "Large"}
LETTER = (
    b"From: me@example.com\r\nTo: ada@example.com\r\n"
    b"Date: Sat, 01 Aug 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n"
)


@pytest.fixture(params=["Client", "AsyncClient"])
def client(request, service):
    if request.param == "Client":
        with Client(service.app.server.address, timeout=60) as client:
            yield client
        return
    with (
        asyncio.Runner() as runner,
        Awaited(runner, service.app.server.address, timeout=60) as client,
    ):
        yield client


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(CONTENT)
    return path


def arrived(service):
    (received,) = service.relay.messages
    return email.message_from_bytes(received.data, policy=email.policy.default)


def test_files_arrive_as_they_are(client, service, path, tmp_path):
    (tmp_path / "a.txt").write_text(TEXT, "utf-8", newline="")
    told = []
    result = client.send(
        **MAIL,
        text=tmp_path / "a.txt",
        attachments=[path],
        on_progress=lambda gone, total: told.append((gone, total)),
    )
    mail = arrived(service)
    (attachment,) = mail.iter_attachments()

    assert result.status is Status.SUCCESS
    assert mail.get_body().get_content().split() == TEXT.split()
    assert attachment.get_filename() == "large.bin"
    assert attachment.get_content() == CONTENT
    assert told[-1] == (len(CONTENT) + len(TEXT.encode()),) * 2


def test_the_same_mail_is_the_same_however_it_comes(client, service, path):
    blob = client.upload(path)
    forms = [CONTENT, path, blob]
    results = [
        client.send(
            **MAIL,
            text="x",
            attachments=[Attachment("large.bin", "application/x-a", form)],
            request_id="once",
        )
        for form in forms
    ]

    assert [result.replayed for result in results] == [False, True, True]
    assert len(service.relay.messages) == 1


def test_what_was_uploaded_is_not_sent_again(client, service, path):
    told = []
    first = client.upload(path)
    second = client.upload(path, on_progress=lambda gone, _: told.append(gone))
    result = client.send(
        **MAIL, text="x", attachments=[Attachment.from_blob(first, "a.bin")]
    )
    (attachment,) = arrived(service).iter_attachments()

    assert first.name == f"blobs/{hashlib.sha256(CONTENT).hexdigest()}" == second.name
    assert first.size_bytes == len(CONTENT)
    assert result.delivered
    assert attachment.get_content() == CONTENT


def test_a_blob_that_there_is_not_is_not_found(client):
    attachment = Attachment.from_blob(f"blobs/{'0' * 64}", "a.bin")

    with pytest.raises(NotFound) as refusal:
        client.send(**MAIL, text="x", attachments=[attachment])
    assert refusal.value.reason == "BLOB_NOT_FOUND"


def test_a_composed_mail_arrives_byte_by_byte(client, service):
    letter = LETTER + b"x" * 76 + (b"\r\n" + b"y" * 76) * 40_000 + b"\r\n"
    result = client.send(RawMessage(letter, "<>", ["ada@example.com"]))
    (received,) = service.relay.messages

    assert result.delivered
    assert received.data == letter


def test_a_delivery_is_rendered_as_it_was_sent(client, service, path, tmp_path):
    result = client.send(**MAIL, text="x", attachments=[path])
    with (tmp_path / "sent.eml").open("wb") as file:
        told = client.render_to(file, result)
    (received,) = service.relay.messages

    assert (tmp_path / "sent.eml").read_bytes() == received.data
    assert told.message_id == result.message_id
    assert told.size_bytes == len(received.data)


def test_a_large_mail_can_be_looked_at_before_it_is_sent(client, service, path):
    report = client.validate(**MAIL, text="x", attachments=[path])
    mail = client.render(**MAIL, text="x", attachments=[path])
    read = email.message_from_bytes(mail, policy=email.policy.default)

    assert report.size_bytes == len(mail)
    assert [part.get_content() for part in read.iter_attachments()] == [CONTENT]
    assert service.relay.messages == ()


def test_a_mail_that_is_not_valid_ends_before_it_is_sent(client, tmp_path):
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(90_000_000)
    told = []
    with pytest.raises(InvalidRequest) as refusal:
        client.send(
            **MAIL | {"to": "nobody"},
            text="x",
            attachments=[path],
            on_progress=lambda gone, _: told.append(gone),
        )

    assert refusal.value.reason == "INVALID_MESSAGE"
    assert refusal.value.nothing_sent
    assert max(told) < 50_000_000


def test_a_file_that_is_too_large_is_told_with_its_place(client, tmp_path):
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(26 * 1_048_576)

    with pytest.raises(InvalidRequest) as refusal:
        client.send(**MAIL, text="x", attachments=[path])
    (wrong,) = refusal.value.violations
    assert wrong.field == "message.attachments[0].data"
    assert "parts/" not in str(refusal.value)


def test_the_command_line_does_it_all(service, path, tmp_path):
    run = partial(CliRunner().invoke, app)
    (tmp_path / "a.eml").write_bytes(LETTER.replace(b"\r\n", b"\n") + b"Hello\n")
    (tmp_path / "people.csv").write_text("to,name\nada@example.com,Ada\n")
    before = ["--target", service.app.server.address]
    sent = ["send", "--from", "me@example.com", "--subject", "{name}", "--text", "x"]
    ended = [
        run([*before, "upload", str(path)]),
        run([*before, *sent, "--to", "ada@example.com", "--attach", str(path)]),
        run([*before, "send", "--eml", str(tmp_path / "a.eml")]),
        run([*before, *sent, "--batch", str(tmp_path / "people.csv")]),
        run([*before, *sent, "--batch", str(tmp_path / "people.csv")]),
    ]

    assert [one.exit_code for one in ended] == [0] * 5, [one.output for one in ended]
    assert len(service.relay.messages) == 3
    assert service.relay.messages[1].data == LETTER + b"Hello\r\n"
    assert b"Subject: Ada\r\n" in service.relay.messages[2].data
