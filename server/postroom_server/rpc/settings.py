"""The settings of the gRPC door, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass

from postroom_server.domain.principal import Credential

MIB = 1 << 20
READ_AHEAD = 512 * 1024
"""Octets of a call; over a line of 100 ms that is 5 MB/s."""
MAX_PENDING = 8192
"""Calls; each costs some kilobytes until it is let in or refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """The files of the listener, in PEM.

    With *client_ca_file* every client must show a certificate of an authority in it.
    """

    cert_file: str
    key_file: str
    client_ca_file: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """All of them that are set."""
        return tuple(filter(None, (self.cert_file, self.key_file, self.client_ca_file)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcSettings:
    """How to listen and how much to take.  Durations are in seconds.

    *listen* is "host:port" (port 0: any free one), or "unix:/path".
    *insecure_plaintext* allows an address that other machines can reach, although
    nothing is encrypted; *insecure_tokens* allows tokens on it as well.
    *shares_port*: with other processes of the same service, which take their part of
    the connections.  Without *credentials* every caller is the owner of everything.
    *body_timeout* is the time from a call's headers to the end of its body.
    *drain_delay* is how long health says NOT_SERVING before calls are refused, for load
    balancers to notice.
    """

    listen: str = "127.0.0.1:50051"
    insecure_plaintext: bool = False
    insecure_tokens: bool = False
    shares_port: bool = False
    tls: TlsSettings | None = None
    credentials: tuple[Credential, ...] = ()
    max_request_bytes: int = 10 * MIB
    max_connections: int = 1000
    max_concurrent_streams: int = 128
    max_wait: float = 120.0
    body_timeout: float = 20.0
    reflection: bool = True
    reflection_idle: float = 60.0
    drain_delay: float = 0.0

    def channel_options(self) -> list[tuple[str, int]]:
        """The options of gRPC's own server."""
        return [
            # Two servers on one port would each get a part of the calls.
            ("grpc.so_reuseport", int(self.shares_port)),
            # Holds after decompression too: a bomb is refused, not inflated.
            ("grpc.max_receive_message_length", self.max_request_bytes),
            ("grpc.max_concurrent_streams", self.max_concurrent_streams),
            ("grpc.max_allowed_incoming_connections", self.max_connections),
            ("grpc.server_handshake_timeout_ms", 10_000),
            # What has come and not passed our door yet: beyond 1,000 gRPC would drop
            # calls at random, as CANCELLED, where we say UNAVAILABLE and when to
            # come back.
            ("grpc.server.max_pending_requests", MAX_PENDING),
            ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING),
            ("grpc.max_connection_idle_ms", 15 * 60_000),
            ("grpc.max_metadata_size", 8 * 1024),
            ("grpc.absolute_max_metadata_size", 16 * 1024),
            # A dead caller is noticed only with the time-out of pings themselves.
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.http2.ping_timeout_ms", 10_000),
            # Go and Java callers ping every 10 s; the default policy hangs up on
            # them, calls and all.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.http2.max_ping_strikes", 5),
            # How much of a stream comes before we ask for it.  Left to itself gRPC
            # widens that to six megabytes for every upload that we can't follow.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", READ_AHEAD),
        ]
