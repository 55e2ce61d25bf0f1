"""A small HTTP server for pages that programs read: GET and HEAD, a page a connection.

It can't get in the way of the service: it has a few threads of its own, and bounds of
number and time for those who visit (`visitors`).  Nothing in a request but its path
and what it accepts is looked at, and nothing of it is logged.
"""

from __future__ import annotations

import io
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

import structlog

from postroom_server.web.settings import HttpSettings
from postroom_server.web.visitors import Visitors

LONGEST_HEAD = 16 * 1024
"""Octets of a request; no page needs more, and the library takes megabytes."""
LOOK = 0.25
"""Seconds between looks at who has been here too long."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


PageOf = Callable[[str], Page]
"""Makes a page; is given the header `Accept`."""


class HttpServer:
    """Serves *pages* by path.  Raises `OSError`, with words for the operator, where it
    can't listen.
    """

    def __init__(
        self,
        settings: HttpSettings,
        pages: Mapping[str, PageOf],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = _listener(settings, pages, monotonic)
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            args=(LOOK,),
            name="postroom-http",
            daemon=True,
        )

    @property
    def address(self) -> str:
        """Where it listens: "host:port"."""
        host, port = self._listener.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"{shown}:{port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Serve no more; those who are being served are cut off."""
        if self._thread.is_alive():
            self._listener.shutdown()
            self._thread.join()
        self._listener.server_close()


class _Listener(socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 16

    def __init__(
        self,
        settings: HttpSettings,
        pages: Mapping[str, PageOf],
        monotonic: Callable[[], float],
    ) -> None:
        self.pages = pages
        self.visitors = Visitors(
            settings.most_visitors, settings.longest_visit, monotonic
        )
        self._threads = ThreadPoolExecutor(settings.most_visitors, "postroom-http")
        if ":" in settings.host:
            self.address_family = socket.AF_INET6
        super().__init__((settings.host, settings.port), _Visit)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as the base class has it
        if self.visitors.come(request):
            self._threads.submit(self._serve, request, client_address)
        else:
            self.shutdown_request(request)

    def service_actions(self) -> None:
        self.visitors.end_overdue()

    def server_close(self) -> None:
        super().server_close()
        self.visitors.end_all()
        self._threads.shutdown()

    def _serve(self, request: socket.socket, client_address: object) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            # The visitor is gone, or was ended.
            return
        except Exception:  # noqa: BLE001  the next visitor may fare better
            _log.exception("http.page_failed")
        finally:
            self.visitors.leave(request)
            self.shutdown_request(request)


class _Head(io.BufferedReader):
    """A request as it comes, of at most `LONGEST_HEAD` octets."""

    _left = LONGEST_HEAD

    def readline(self, size: int | None = -1, /) -> bytes:
        most = self._left if size is None or size < 0 else min(size, self._left)
        line = super().readline(most)
        self._left -= len(line)
        if not self._left:
            raise ConnectionAbortedError("the request is too long")
        return line


class _Visit(BaseHTTPRequestHandler):
    server: _Listener
    server_version = "postroomd"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = _Head(self.connection.makefile("rb", buffering=0))

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base class has it
        """Nothing: a page that is read every few seconds is no event."""

    def _answer(self, *, with_body: bool) -> None:
        self.server.visitors.asks(self.connection)
        page_of = self.server.pages.get(self.path.partition("?")[0])
        if page_of is None:
            page = Page(b"not found\n", status=404)
        else:
            page = page_of(self.headers.get("Accept", ""))
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_body:
            self.wfile.write(page.body)


def _listener(
    settings: HttpSettings,
    pages: Mapping[str, PageOf],
    monotonic: Callable[[], float],
) -> _Listener:
    try:
        return _Listener(settings, pages, monotonic)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error
        text = f"can't listen on {settings.listen} for metrics: {why}"
        raise OSError(text) from error
