"""One of several processes, as it sees its supervisor."""

from __future__ import annotations

import os
import threading

import pytest
from postroom_server.config.values import Config, MetricsConfig
from postroom_server.supervision.member import LEAVE, READY, Member

PATIENCE = 10.0


class Pipes:
    """A member whose supervisor this test is."""

    def __init__(self) -> None:
        control, self.asks = os.pipe()
        self.told, status = os.pipe()
        self.member = Member(3, control, status)
        self.leaving = threading.Event()
        self.thread = self.member.obey(self.leaving.set)

    def end(self) -> None:
        """The supervisor dies."""
        os.close(self.asks)
        self.thread.join(PATIENCE)

    def close(self) -> None:
        for descriptor in (self.member.control, self.told, self.member.status):
            os.close(descriptor)


@pytest.fixture
def pipes():
    made = Pipes()
    yield made
    if made.thread.is_alive():
        made.end()
    made.close()


def test_its_words_name_it():
    assert Member.of(str(Member(2, 5, 6))) == Member(2, 5, 6)


def test_it_leaves_when_it_is_asked_to(pipes):
    os.write(pipes.asks, LEAVE)

    assert pipes.leaving.wait(PATIENCE)


def test_it_leaves_when_the_supervisor_is_gone(pipes):
    assert not pipes.leaving.is_set()
    pipes.end()

    assert pipes.leaving.is_set()


def test_it_tells_that_it_is_ready(pipes):
    pipes.member.tell_ready()

    assert os.read(pipes.told, 1) == READY


def test_programs_that_it_starts_do_not_keep_the_pipes_open():
    control, asks = os.pipe()
    os.set_inheritable(control, True)
    thread = Member(1, control, asks).obey(lambda: None)
    inheritable = os.get_inheritable(control)
    os.close(asks)
    thread.join(PATIENCE)
    os.close(control)

    assert not inheritable


@pytest.mark.parametrize(
    ("listen", "own"),
    [
        ("", ""),
        ("127.0.0.1:9464", "127.0.0.1:9466"),
        ("[::1]:9464", "[::1]:9466"),
        ("127.0.0.1:0", "127.0.0.1:0"),
    ],
)
def test_each_has_a_port_of_its_own_for_its_metrics(listen, own):
    config = Config(relays={}, metrics=MetricsConfig(listen=listen))

    assert Member(3, 0, 0).adapted(config).metrics.listen == own
