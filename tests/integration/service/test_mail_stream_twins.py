"""Mail of a stream that was sent before, and waits for a verdict once more."""

from __future__ import annotations

from postroom.v1 import send_pb2 as send_pb
from postroom_server.rpc import mail_stream

from tests.support.mail_streams import MailStream
from tests.support.service import plain, running
from tests.support.silence import silent_relay

ACCEPTED = send_pb.COMPLETION_ACCEPTED


def test_twins_that_wait_hold_up_no_mail_behind_them(tmp_path, relay, monkeypatch):
    with silent_relay() as silent:
        relays = {"main": plain(silent.port), "other": plain(relay.port)}
        with (
            running(tmp_path, relays, relay) as service,
            MailStream(service) as first,
            MailStream(service) as again,
        ):
            first.send("stuck", request_id="r-1")
            first.send("stored", relay="relays/other", completion=ACCEPTED)
            assert first.outcome().key == "stored"
            # Room for one mail that is not stored yet, and no more.
            monkeypatch.setattr(mail_stream, "MOST_UNSTORED", 1)

            again.send("twin", request_id="r-1")
            again.send("behind", relay="relays/other")

            assert again.outcome().key == "behind"
