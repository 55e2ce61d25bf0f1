from __future__ import annotations

import smtplib
import threading

import pytest
from postroom_server.sandbox.relay import SandboxRelay

SENDER, RECIPIENT = "ada@example.com", "bob@example.com"
MAIL = b"Subject: Hello\r\n\r\nIt works.\r\n"


def test_a_mail_is_kept_exactly_as_it_came(relay):
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        client.sendmail(SENDER, [RECIPIENT, "eve@example.com"], MAIL)

    (received,) = relay.messages

    assert received.envelope_from == SENDER
    assert received.recipients == (RECIPIENT, "eve@example.com")
    assert received.data == MAIL
    assert received.path is None


def test_the_extensions_of_a_real_relay_are_offered(relay):
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        client.ehlo()
        offered = set(client.esmtp_features)

    assert offered >= {
        "pipelining",
        "chunking",
        "size",
        "8bitmime",
        "smtputf8",
        "enhancedstatuscodes",
    }
    assert offered.isdisjoint({"starttls", "auth"})


def test_each_mail_is_a_file_named_after_its_subject(tmp_path):
    folder = tmp_path / "mails"
    with SandboxRelay(folder) as relay, smtplib.SMTP("127.0.0.1", relay.port) as client:
        client.sendmail(SENDER, RECIPIENT, MAIL)
        client.sendmail(
            SENDER, RECIPIENT, "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n"
        )
        client.sendmail(SENDER, RECIPIENT, b"X: y\r\n\r\n")
        paths = [message.path for message in relay.messages]

    names = [path.name for path in paths]
    assert names == ["0001-hello.eml", "0002-grue.eml", "0003-no-subject.eml"]
    assert sorted(folder.iterdir()) == paths
    assert paths[0].read_bytes() == MAIL


def test_a_folder_that_is_made_for_mail_is_its_owners_alone(tmp_path):
    with SandboxRelay(tmp_path / "mail"):
        mode = (tmp_path / "mail").stat().st_mode

    assert mode & 0o077 == 0


def test_numbers_go_on_from_the_files_that_are_there(tmp_path):
    (tmp_path / "0041-old.eml").write_bytes(b"")

    with (
        SandboxRelay(tmp_path) as relay,
        smtplib.SMTP("127.0.0.1", relay.port) as client,
    ):
        client.sendmail(SENDER, RECIPIENT, MAIL)
        (received,) = relay.messages

    assert received.path.name == "0042-hello.eml"


def test_waiting_ends_with_the_mail(relay):
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", relay.port) as client:
            client.sendmail(SENDER, RECIPIENT, MAIL)

    sender = threading.Thread(target=send)
    sender.start()
    received = relay.wait_for(1, timeout=10)
    sender.join()

    assert [message.data for message in received] == [MAIL]


def test_waiting_for_what_does_not_come_times_out(relay):
    with pytest.raises(TimeoutError, match="0 of 1 mails"):
        relay.wait_for(1, timeout=0.01)


def test_clearing_forgets_mails_and_faults(relay):
    relay.refuse(RECIPIENT, "550 5.1.1 no such user")
    relay.fail_next("MAIL", "451 4.3.0 not now")
    relay.clear()
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        client.sendmail(SENDER, RECIPIENT, MAIL)
        before = relay.messages
        relay.clear()

    assert len(before) == 1
    assert relay.messages == ()


def test_a_taken_port_is_told_at_the_start(relay):
    with pytest.raises(OSError, match="in use"):
        SandboxRelay(port=relay.port).start()


def test_stopping_twice_and_with_open_links_is_harmless():
    relay = SandboxRelay()
    relay.start()
    client = smtplib.SMTP("127.0.0.1", relay.port)
    relay.stop()
    relay.stop()
    client.close()

    assert relay.sessions_opened == 1
    assert relay.sessions_open == 0


def test_a_large_mail_arrives_whole(relay):
    line = b".dotted " + b"x" * 900 + b"\r\n"
    mail = b"Subject: big\r\n\r\n" + line * 3000
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        client.sendmail(SENDER, RECIPIENT, mail)

    assert relay.messages[0].data == mail


def test_a_mail_that_cannot_be_written_is_put_off(tmp_path):
    folder = tmp_path / "mails"
    with SandboxRelay(folder) as relay, smtplib.SMTP("127.0.0.1", relay.port) as client:
        folder.rmdir()
        with pytest.raises(smtplib.SMTPDataError, match=r"4\.3\.1") as refused:
            client.sendmail(SENDER, RECIPIENT, MAIL)

    assert refused.value.smtp_code == 452
    assert relay.messages == ()
