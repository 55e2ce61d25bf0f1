"""The keys of the configuration: type, range, default, unit and meaning of each.

This, `relay_schema` and `access_schema` are the only list of them; the reference, the
check of unknown keys and what `print_config` writes follow it.  Defaults are those of
the values that the keys become.
"""

from __future__ import annotations

from typing import Literal

from postroom_server.config.access_schema import CredentialTable, TlsTable
from postroom_server.config.keys import BYTES, DAY, Table, key, seconds, table
from postroom_server.config.relay_schema import RelayTable
from postroom_server.config.tenant_schema import TenantTable
from postroom_server.config.values import ServerConfig
from postroom_server.domain.limits import Limits

_LIMITS = Limits()
_SERVER = ServerConfig()
_GB = 2**30
_YEAR = 366 * DAY


class StoreTable(Table):
    """Where accepted mail is kept."""

    url: str = key(
        "sqlite:///postroom.db",
        "sqlite:/// and the file's path (a fourth slash begins an absolute path), or "
        "postgresql://user@host/database for processes that share a store.",
    )
    password_file: str = key(
        "",
        "A file that holds the password of the PostgreSQL user, and nothing else.",
    )
    objects_url: str = key(
        "",
        "Where large contents of processes that share a store are kept: s3://, gs:// "
        "or az:// and the bucket, or file:/// and a folder that all machines have; "
        "credentials as usual in the environment. Empty: in the database.",
    )
    marks_folder: str = key(
        "",
        "A folder on this machine for what its processes that share a store need to "
        "know of one that died; empty: one for each user in the system's folder for "
        "temporary files.",
    )


class LimitsTable(Table):
    """How much is allowed; GetServerInfo tells callers."""

    max_request_bytes: int = key(
        _LIMITS.max_request_bytes,
        "The largest request.",
        unit=BYTES,
        least=1024,
        most=2**31 - 1,
    )
    max_message_bytes: int = key(
        _LIMITS.max_message_bytes,
        "The largest composed mail.",
        unit=BYTES,
        least=1024,
        most=4 * _GB,
    )
    max_body_bytes: int = key(
        _LIMITS.max_body_bytes,
        "Each of text and HTML body.",
        unit=BYTES,
        least=1,
        most=_GB,
    )
    max_attachment_bytes: int = key(
        _LIMITS.max_attachment_bytes,
        "Each attachment.",
        unit=BYTES,
        least=1,
        most=_GB,
    )
    max_attachments_bytes: int = key(
        _LIMITS.max_attachments_bytes,
        "All attachments of a mail.",
        unit=BYTES,
        least=1,
        most=_GB,
    )
    max_attachments: int = key(
        _LIMITS.max_attachments, "Attachments of a mail.", least=0, most=1000
    )
    max_recipients: int = key(
        _LIMITS.max_recipients, "Recipients of a mail.", least=1, most=1000
    )
    max_reply_to: int = key(
        _LIMITS.max_reply_to, "Reply-To addresses of a mail.", least=1, most=100
    )
    max_subject_length: int = key(
        _LIMITS.max_subject_length,
        "The Subject, in code points.",
        least=1,
        most=10_000,
    )
    max_headers: int = key(
        _LIMITS.max_headers, "Headers of the caller.", least=0, most=1000
    )
    max_header_block_bytes: int = key(
        _LIMITS.max_header_block_bytes,
        "All headers of a mail.",
        unit=BYTES,
        least=1024,
        most=2**20,
    )
    max_wait: float = seconds(
        _LIMITS.max_wait, "The longest wait for an answer.", least=1, most=3600
    )
    max_send_ahead: float = seconds(
        _LIMITS.max_send_ahead,
        "How far ahead a caller may schedule a mail.",
        least=0,
        most=_YEAR,
    )
    max_expiry: float = seconds(
        _LIMITS.max_expiry,
        "How far ahead of its sending a caller may set the expiry of a mail.",
        least=60,
        most=_YEAR,
    )
    default_expiry: float = seconds(
        _LIMITS.default_expiry,
        "When a delivery expires whose caller does not say.",
        least=1,
        most=_YEAR,
    )
    request_id_retention: float = seconds(
        _LIMITS.request_id_retention,
        "How long a request id is remembered.",
        least=60,
        most=_YEAR,
    )
    event_retention: float = seconds(
        _LIMITS.event_retention,
        "How long events are kept, and cursors are good for; never longer than "
        "deliveries are kept.",
        least=60,
        most=_YEAR,
    )
    max_watch: float = seconds(
        _LIMITS.max_watch,
        "How long one stream of events lives; a balancer needs it to end.",
        least=1,
        most=43_200,
    )
    delivery_retention: float = seconds(
        _LIMITS.delivery_retention,
        "How long deliveries are kept after they settle.",
        least=60,
        most=10 * _YEAR,
    )
    content_retention: float = seconds(
        _LIMITS.content_retention,
        "How long a mail's bytes are kept after it settles.",
        least=0,
        most=10 * _YEAR,
    )

    max_chunk_bytes: int = key(
        _LIMITS.max_chunk_bytes,
        "A chunk of a streamed mail or an upload.",
        unit=BYTES,
        least=1024,
        most=4 * 2**20,
    )
    max_blob_bytes: int = key(
        _LIMITS.max_blob_bytes, "Each blob.", unit=BYTES, least=1, most=_GB
    )
    max_blobs_bytes: int = key(
        _LIMITS.max_blobs_bytes,
        "All blobs of a tenant, each counted as 4 KiB at least; 0 allows none.",
        unit=BYTES,
        least=0,
        most=1024 * _GB,
    )
    blob_retention: float = seconds(
        _LIMITS.blob_retention,
        "How long a blob is kept after it was uploaded, or after a mail that uses it "
        "was accepted.",
        least=60,
        most=_YEAR,
    )


class LogTable(Table):
    """What is written to the standard error."""

    level: Literal["debug", "info", "warning", "error"] = key(
        "info", "The least severity that is written: debug, info, warning or error."
    )
    format: Literal["json", "console", "auto"] = key(
        "auto", "json, console (for people), or auto: console on a terminal."
    )
    mask_addresses: bool = key(
        default=False, meaning="Whether to hide the local part of addresses."
    )


class ServerTable(Table):
    """How calls are taken, and how the service stops."""

    processes: int = key(
        _SERVER.processes,
        "Whole processes that take calls on one port; more than one need a store in "
        "PostgreSQL.",
        least=1,
        most=256,
    )
    one_core: bool = key(
        _SERVER.one_core,
        "Whether each process keeps to one core of the machine: faster, since Python "
        "uses one at a time (docs/performance.md).",
    )
    drain_grace: float = seconds(
        _SERVER.drain_grace,
        "How long calls and transactions under way may take to end.",
        least=0,
    )
    drain_delay: float = seconds(
        _SERVER.drain_delay,
        "How long health says NOT_SERVING before calls are refused.",
        least=0,
        most=3600,
    )
    body_timeout: float = seconds(
        _SERVER.body_timeout,
        "From a call's headers to the end of its body.",
        least=0.1,
        most=3600,
    )
    tls: TlsTable = table(TlsTable)


class MetricsTable(Table):
    """Metrics for Prometheus, and whether the service is ready, over plain HTTP."""

    listen: str = key(
        "", '"host:port", for instance "127.0.0.1:9464".', otherwise="not served"
    )
    beyond_loopback: bool = key(
        default=False,
        meaning="Whether listen may be an address that other machines can reach: "
        "nothing is encrypted, and nobody is asked who they are.",
    )


class Root(Table):
    """The whole configuration."""

    listen: str = key(
        "127.0.0.1:50051",
        '"host:port" or "unix:/path"; beyond loopback only with server.tls and '
        "credentials, or with --insecure-plaintext.",
    )
    default_relay: str = key(
        "",
        "The relay of requests that name none.",
        otherwise="the only relay, if there is but one",
    )
    store: StoreTable = table(StoreTable)
    relays: dict[str, RelayTable] = key({}, "Relays by id.")
    credentials: dict[str, CredentialTable] = key(
        {}, "Callers by name; none: every caller is administrator."
    )
    tenants: dict[str, TenantTable] = key({}, "Limits of tenants by id.")
    limits: LimitsTable = table(LimitsTable)
    log: LogTable = table(LogTable)
    metrics: MetricsTable = table(MetricsTable)
    server: ServerTable = table(ServerTable)
