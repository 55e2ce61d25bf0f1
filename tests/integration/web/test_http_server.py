"""The pages are served, whatever else connects to the port."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack, closing, contextmanager

import pytest
import structlog
from postroom_server.web.server import HttpServer, Page
from postroom_server.web.settings import HttpSettings

PATIENCE = 20.0


@contextmanager
def serving(pages, **settings):
    server = HttpServer(HttpSettings(listen="127.0.0.1:0", **settings), pages)
    server.start()
    try:
        yield server
    finally:
        server.close()


def get(server, path="/", method="GET", **headers):
    request = urllib.request.Request(
        f"http://{server.address}{path}", method=method, headers=headers
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return answer.status, answer.headers, answer.read()


def connection(server):
    host, _, port = server.address.rpartition(":")
    return closing(socket.create_connection((host, int(port)), PATIENCE))


def hello(accept):
    return Page(f"accepts {accept}".encode(), "text/x-hello")


def test_a_page_is_made_for_what_is_accepted():
    with serving({"/": hello}) as server:
        status, headers, body = get(server, "/?x=1", Accept="text/plain")

    assert (status, body) == (200, b"accepts text/plain")
    assert headers["Content-Type"] == "text/x-hello"
    assert headers["Cache-Control"] == "no-store"
    assert "Python" not in headers["Server"]


def test_head_has_no_body():
    with serving({"/": hello}) as server:
        status, headers, body = get(server, method="HEAD")

    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/nothing", "GET", 404), ("/", "POST", 501), ("/../", "GET", 404)],
)
def test_what_is_not_there_is_refused(path, method, status):
    with (
        serving({"/": hello}) as server,
        pytest.raises(urllib.error.HTTPError) as refused,
    ):
        get(server, path, method)
    refused.value.close()

    assert refused.value.code == status


def test_those_who_hold_connections_open_keep_nobody_out():
    with serving({"/": hello}, most_visitors=2) as server, ExitStack() as stack:
        for _ in range(8):
            slow = stack.enter_context(connection(server))
            slow.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        status, _, _ = get(server)

    assert status == 200


def test_a_visit_has_an_end():
    with (
        serving({"/": hello}, longest_visit=0.2) as server,
        connection(server) as slow,
    ):
        slow.sendall(b"GET /")
        said = slow.recv(100)

    assert said == b""


def test_those_who_were_heard_are_not_sent_away_for_others():
    asked, release = threading.Event(), threading.Event()

    def slow_page(_accept):
        asked.set()
        release.wait(PATIENCE)
        return Page(b"done")

    with (
        serving({"/": slow_page}, most_visitors=1) as server,
        connection(server) as first,
    ):
        first.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert asked.wait(PATIENCE)
        with connection(server) as second:
            turned_away = second.recv(100)
        release.set()
        answer = b"".join(iter(lambda: first.recv(4096), b""))

    assert turned_away == b""
    assert answer.endswith(b"done")


def test_a_request_has_a_greatest_length():
    with serving({"/": hello}) as server:
        with connection(server) as visitor, contextlib.suppress(ConnectionError):
            visitor.sendall(
                b"GET / HTTP/1.0\r\n" + b"X-A: " + b"x" * 20_000 + b"\r\n\r\n"
            )
            assert visitor.recv(100) == b""
        status, _, _ = get(server)

    assert status == 200


def test_a_page_that_fails_is_logged_and_the_next_is_served():
    pages = {"/": hello, "/broken": lambda _: 1 / 0}
    with structlog.testing.capture_logs() as logs, serving(pages) as server:
        with connection(server) as visitor:
            visitor.sendall(b"GET /broken HTTP/1.0\r\n\r\n")
            assert visitor.recv(100) == b""
        status, _, _ = get(server)

    assert status == 200
    assert [log["event"] for log in logs] == ["http.page_failed"]


def test_an_address_in_use_is_told_in_words():
    with serving({}) as server:
        settings = HttpSettings(listen=server.address)
        with pytest.raises(OSError, match=r"can't listen on 127\.0\.0\.1:.*in use"):
            HttpServer(settings, {})


def test_ipv6_is_served():
    settings = HttpSettings(listen="[::1]:0")
    try:
        server = HttpServer(settings, {"/": hello})
    except OSError:
        pytest.skip("this machine has no IPv6")
    server.start()
    status, _, _ = get(server)
    server.close()

    assert status == 200


def test_a_server_that_was_not_started_can_be_closed():
    HttpServer(HttpSettings(listen="127.0.0.1:0"), {}).close()
