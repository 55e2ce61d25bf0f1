"""SendMessages, to the service as a whole."""

from __future__ import annotations

import pytest
from postroom.v1 import delivery_pb2 as delivery_pb

from tests.support.mail_streams import MailStream


@pytest.fixture
def stream(service):
    with MailStream(service) as stream:
        yield stream


def test_the_window_comes_before_anything_is_sent(stream):
    frame = stream.frame()

    assert frame.window.max_unanswered == 1000


def test_each_mail_is_answered_once_with_its_own_key(service, stream):
    for number in range(50):
        stream.send(f"key {number}", to=f"n{number}@example.com")
    stream.half_close()

    answers = list(stream.rest())

    assert sorted(a.index for a in answers) == list(range(50))
    assert {a.key: a.result.recipients[0].address for a in answers} == {
        f"key {n}": f"n{n}@example.com" for n in range(50)
    }
    assert {a.result.status for a in answers} == {delivery_pb.DELIVERY_STATUS_SUCCESS}
    assert len(service.relay.messages) == 50
