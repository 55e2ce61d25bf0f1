"""From settings to a session, without TLS and log-in."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import replace

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp import opening
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.resolve import Resolver
from postroom_server.smtp.session import open_session
from postroom_server.smtp.timeouts import NO_DEADLINE, Deadline

from tests.support.relays import drips, endless_reply, greeting_with, plays, ready, then
from tests.support.scripted_relay import QUICK, Peer, ScriptedRelay
from tests.support.silence import nobody_listens

IMPATIENT = replace(QUICK, greeting=0.2)
goodbye = plays("C: QUIT\nS: 221 bye")


def failure_with(script, deadline=NO_DEADLINE, **settings) -> SessionError:
    with ScriptedRelay(script) as relay, pytest.raises(SessionError) as failed:
        open_session(relay.settings(**settings), deadline)
    return failed.value


def test_a_session_knows_what_the_relay_offers_and_how_it_came_about():
    with ScriptedRelay(then(ready("PIPELINING", "SIZE 1000"), goodbye)) as relay:
        session = open_session(relay.settings())
        steps = [timing.phase for timing in session.opening]
        session.quit()

    assert session.extensions.pipelining
    assert session.extensions.size_limit == 1000
    assert session.remote == f"127.0.0.1:{relay.port} [127.0.0.1]"
    assert steps == [Phase.DNS, Phase.CONNECT, Phase.GREETING, Phase.EHLO]


@pytest.mark.parametrize("code", [500, 502, 504, 550])
def test_a_relay_without_ehlo_is_greeted_by_helo_and_offers_nothing(code):
    script = plays(
        f"S: 220 old\nC: EHLO .+\nS: {code} what?\nC: HELO .+\nS: 250 PIPELINING\nC: QUIT\nS: 221 bye"
    )
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        session.quit()

    assert session.extensions.lines == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mail.example.com", r"EHLO mail\.example\.com"),
        ("localhost", r"EHLO \[127\.0\.0\.1\]"),
        ("bad_name.example", r"EHLO \[127\.0\.0\.1\]"),
        ("1.2.3.4", r"EHLO \[127\.0\.0\.1\]"),
        ("evil\r\nRSET.example", r"EHLO \[127\.0\.0\.1\]"),
    ],
)
def test_our_name_is_a_full_one_or_our_address(monkeypatch, name, said):
    monkeypatch.setattr(opening.socket, "gethostname", lambda: name)
    with ScriptedRelay(
        plays(f"S: 220 hi\nC: {said}\nS: 250 hi\nC: QUIT\nS: 221 x")
    ) as relay:
        open_session(relay.settings()).quit()


def test_a_configured_name_is_used():
    with ScriptedRelay(
        plays("S: 220 hi\nC: EHLO out.example.com\nS: 250 hi\nC: QUIT\nS: 221 x")
    ) as relay:
        open_session(relay.settings(ehlo_name="out.example.com")).quit()


def test_a_configured_name_can_not_smuggle_a_command():
    failed = failure_with(plays("S: 220 hi"), ehlo_name="x\r\nMAIL FROM:<a@b.example>")

    assert failed.phase is Phase.EHLO
    assert failed.reason is FailureReason.INTERNAL


@pytest.mark.parametrize(
    ("lines", "reason", "permanent"),
    [
        (["421 4.3.2 busy"], FailureReason.RELAY_UNAVAILABLE, False),
        (["554 5.7.1 you are on a list"], FailureReason.POLICY, True),
        (["554-no", "554 service"], FailureReason.RELAY_UNAVAILABLE, True),
        (["450 later"], FailureReason.RELAY_UNAVAILABLE, False),
    ],
)
def test_a_relay_that_turns_us_away_is_quoted(lines, reason, permanent):
    def script(peer: Peer) -> None:
        peer.say(*lines)
        with contextlib.suppress(EOFError):
            peer.expect("QUIT")

    failed = failure_with(script)

    assert failed.phase is Phase.GREETING
    assert failed.reason is reason
    assert failed.permanent is permanent
    assert failed.reply is not None
    assert failed.reply.code == int(lines[0][:3])
    assert failed.link.remote.endswith("[127.0.0.1]")
    assert [t.phase for t in failed.timings][-1] is Phase.GREETING


@pytest.mark.parametrize(
    "line",
    [
        "250 ok",
        "354 go on",
        "hello",
        "220-a\r\n221 b",
        "220 a\n",
        "HTTP/1.1 400 Bad Request",
    ],
)
def test_a_greeting_that_is_none_is_a_breach_of_protocol(line):
    failed = failure_with(greeting_with(line))

    assert failed.reason is FailureReason.PROTOCOL
    assert not failed.permanent


def test_a_reply_without_end_is_a_breach_of_protocol():
    assert failure_with(endless_reply).reason is FailureReason.PROTOCOL


def test_a_relay_that_hangs_up_is_a_network_failure():
    failed = failure_with(Peer.close)

    assert (failed.phase, failed.reason) == (Phase.GREETING, FailureReason.NETWORK)


def test_a_relay_that_breaks_the_link_is_a_network_failure():
    assert failure_with(Peer.reset).reason is FailureReason.NETWORK


@pytest.mark.parametrize(
    ("deadline", "timeouts", "reason"),
    [
        (Deadline, IMPATIENT, FailureReason.TIMEOUT),
        (lambda: Deadline.after(1.0), QUICK, FailureReason.DEADLINE),
    ],
)
def test_dripping_octets_does_not_extend_a_wait(deadline, timeouts, reason):
    stop = threading.Event()
    try:
        failed = failure_with(
            drips(b"220-still here\r\n", stop), deadline(), timeouts=timeouts
        )
    finally:
        stop.set()

    assert (failed.phase, failed.reason) == (Phase.GREETING, reason)
    assert failed.timings[-1].seconds < QUICK.greeting


def test_a_silent_relay_is_left_in_time():
    failed = failure_with(Peer.expect_end, timeouts=IMPATIENT)

    assert (failed.phase, failed.reason) == (Phase.GREETING, FailureReason.TIMEOUT)


def test_a_deadline_that_has_passed_ends_it_before_the_first_word():
    failed = failure_with(Peer.expect_end, Deadline.after(-1))

    assert failed.reason is FailureReason.DEADLINE


def test_a_port_where_nobody_listens_is_a_network_failure():
    with (
        nobody_listens() as port,
        ScriptedRelay() as relay,
        pytest.raises(SessionError, match="refused") as failed,
    ):
        open_session(relay.settings(port=port))

    assert (failed.value.phase, failed.value.reason) == (
        Phase.CONNECT,
        FailureReason.NETWORK,
    )
    assert failed.value.link.remote == ""


def test_a_dead_address_does_not_keep_us_from_the_next():
    with ScriptedRelay(then(ready(), goodbye)) as relay:

        def getaddrinfo(*_: object, **__: object) -> list:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.2", 9)), (*kind, ("127.0.0.1", relay.port))]

        session = open_session(
            relay.settings(host="relay.example"), Deadline(), Resolver(getaddrinfo)
        )
        session.quit()

    assert session.remote == f"relay.example:{relay.port} [127.0.0.1]"


def test_an_address_that_swallows_packets_leaves_time_for_the_next():
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = []
    with contextlib.ExitStack() as stack:
        stack.callback(full.close)
        for _ in range(4):
            filler = socket.socket()
            stack.callback(filler.close)
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        relay = stack.enter_context(ScriptedRelay(then(ready(), goodbye)))

        def getaddrinfo(*_: object, **__: object) -> list:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, full.getsockname()), (*kind, ("127.0.0.1", relay.port))]

        session = open_session(
            relay.settings(timeouts=replace(QUICK, connect=1.0)),
            Deadline(),
            Resolver(getaddrinfo),
        )
        session.quit()

    assert session.remote.endswith(f":{relay.port} [127.0.0.1]")


def test_the_socket_sends_at_once_and_notices_dead_peers():
    with ScriptedRelay(then(ready(), goodbye)) as relay:
        session = open_session(relay.settings())
        sock = session._dialogue.wire._socket
        nodelay = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        keepalive = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        session.quit()

    assert nodelay
    assert keepalive
