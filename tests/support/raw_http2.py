"""A gRPC client that does only what it is told: headers without a body, half a body, a
window of zero, paths that no library would send.

    with RawConnection(address) as raw:
        stream = raw.call("/package.Service/Method")     # headers alone
        raw.send(stream, frame(b""), end=True)
        answer = raw.answer(stream)
"""

from __future__ import annotations

import base64
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.settings

PATIENCE = 20.0
Headers = Iterable[tuple[str, str]]


def frame(message: bytes, *, compressed: bool = False) -> bytes:
    """*message* as gRPC sends it: a flag and its length before it."""
    return struct.pack(">BI", compressed, len(message)) + message


@dataclass
class Answer:
    """What came back on one stream so far."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    reset: int | None = None
    ended: bool = False

    @property
    def code(self) -> int | None:
        """The gRPC status code, if one came."""
        status = (self.trailers or self.headers).get("grpc-status")
        return None if status is None else int(status)

    def details(self) -> bytes:
        """The serialised google.rpc.Status."""
        raw = (self.trailers or self.headers)["grpc-status-details-bin"]
        return base64.b64decode(raw + "=" * (-len(raw) % 4))


class RawConnection:
    """One HTTP/2 connection to "host:port"; *window* is what each stream may get."""

    def __init__(self, address: str, *, window: int = 65535) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self._http = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        # Values given later would be sent only with the next change of settings.
        self._http.local_settings = h2.settings.Settings(
            client=True,
            initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window},
        )
        self._answers: dict[int, Answer] = {}
        self._http.initiate_connection()
        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def call(self, path: str, headers: Headers = ()) -> int:
        """Open a stream with headers, and nothing more."""
        stream = self._http.get_next_available_stream_id()
        self._answers[stream] = Answer()
        fixed = (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        )
        self._http.send_headers(stream, [*fixed, *headers])
        self._flush()
        return stream

    def send(self, stream: int, octets: bytes, *, end: bool = False) -> None:
        """Send *octets*, as fast as the server's window allows."""
        while True:
            room = min(
                self._http.local_flow_control_window(stream),
                self._http.max_outbound_frame_size,
            )
            part, octets = octets[:room], octets[room:]
            self._http.send_data(stream, part, end_stream=end and not octets)
            self._flush()
            if not octets:
                return
            while not self._http.local_flow_control_window(stream):
                self._receive()

    def push(self, stream: int, octets: bytes) -> int:
        """Send as many of *octets* as the server's window has room for; how many."""
        if not self._http.local_flow_control_window(stream):
            self.settle()
        room = self._http.local_flow_control_window(stream)
        self.send(stream, octets[:room])
        return min(room, len(octets))

    def reset(self, stream: int) -> None:
        """Break *stream* off."""
        self._http.reset_stream(stream, error_code=8)
        self._flush()

    def answer(self, stream: int) -> Answer:
        """All that comes on *stream*, until the server ends it."""
        answer = self._answers[stream]
        while not answer.ended:
            self._receive()
        return answer

    def headers(self, stream: int) -> dict[str, str]:
        """The headers of the answer, as soon as they are there."""
        answer = self._answers[stream]
        while not answer.headers and not answer.ended:
            self._receive()
        return answer.headers

    def ended(self, stream: int) -> bool:
        """Whether the server has ended *stream*, as far as we have read."""
        return self._answers[stream].ended

    def settle(self) -> None:
        """Return when the server has seen all that was sent so far."""
        self._http.ping(b"settled?")
        self._flush()
        while not any(
            isinstance(event, h2.events.PingAckReceived) for event in self._receive()
        ):
            pass

    def _receive(self) -> list[h2.events.Event]:
        octets = self._socket.recv(65536)
        if not octets:
            for answer in self._answers.values():
                answer.ended = True
            return []
        events = self._http.receive_data(octets)
        for event in events:
            self._take(event)
        self._flush()
        return events

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                self._answers[event.stream_id].headers = dict(event.headers)
            case h2.events.TrailersReceived():
                self._answers[event.stream_id].trailers = dict(event.headers)
            case h2.events.DataReceived():
                self._answers[event.stream_id].body += event.data
                self._http.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
            case h2.events.StreamEnded():
                self._answers[event.stream_id].ended = True
            case h2.events.StreamReset():
                self._answers[event.stream_id].reset = event.error_code
                self._answers[event.stream_id].ended = True
            case _:
                pass

    def _flush(self) -> None:
        self._socket.sendall(self._http.data_to_send())
