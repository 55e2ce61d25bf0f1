"""The tables of a store, as SQLAlchemy sees them: what migrations are compared with.

Not used while serving; the hot statements are SQL (`queries/`).  What each table and
column means stands in the SQL of the revisions.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

from postroom_server.domain.counters import COUNTED

metadata = MetaData()


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _number(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    return Column(name, Integer, primary_key=key, nullable=null, autoincrement=False)


def _table(name: str, *columns: Column[int] | Column[str] | Column[bytes]) -> Table:
    return Table(name, metadata, *columns, sqlite_strict=True)


def _keyed(name: str, *columns: Column[int] | Column[str] | Column[bytes]) -> Table:
    return Table(name, metadata, *columns, sqlite_strict=True, sqlite_with_rowid=False)


store = _table(
    "store",
    _text("id"),
    _number("created_at"),
    _number("format"),
    _number("repairs"),
    _number("copied_at", null=True),
    _text("least_revision"),
)
delivery = _table(
    "delivery",
    _text("id", key=True),
    _text("tenant"),
    _text("relay"),
    _number("completion"),
    _number("status"),
    _number("version"),
    _number("sequence"),
    _number("accepted_at"),
    _number("settled_at", null=True),
    _number("content_purged"),
    _text("message_id"),
    _text("request_id"),
    _text("doc"),
)
Index("delivery_of_tenant", delivery.c.tenant, delivery.c.accepted_at, delivery.c.id)
Index(
    "delivery_of_message",
    delivery.c.tenant,
    delivery.c.message_id,
    delivery.c.accepted_at,
    delivery.c.id,
)
Index(
    "delivery_live",
    delivery.c.status,
    delivery.c.accepted_at,
    delivery.c.id,
    delivery.c.completion,
    sqlite_where=text("settled_at IS NULL"),
)
Index(
    "delivery_settled",
    delivery.c.content_purged,
    delivery.c.settled_at,
    sqlite_where=text("settled_at IS NOT NULL"),
)
due = _keyed(
    "due",
    _text("delivery", key=True),
    _text("relay"),
    _number("lane"),
    _text("tenant"),
    _number("due_at"),
)
Index("due_order", due.c.relay, due.c.lane, due.c.tenant, due.c.due_at, due.c.delivery)
content = _table(
    "content",
    _text("delivery", key=True),
    _number("format"),
    Column("data", LargeBinary, nullable=False),
)
attempt = _keyed(
    "attempt", _text("delivery", key=True), _number("number", key=True), _text("doc")
)
event = Table(
    "event",
    metadata,
    Column("seq", Integer, primary_key=True),
    _text("tenant"),
    _text("delivery"),
    _number("sequence"),
    _number("kind"),
    _number("at"),
    _text("doc"),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)
Index("event_of_delivery", event.c.delivery, event.c.sequence, unique=True)
Index(
    "event_of_tenant",
    event.c.tenant,
    event.c.seq,
    sqlite_where=text("tenant <> 'default'"),
)
request = _keyed(
    "request",
    _text("tenant", key=True),
    _text("request_id", key=True),
    _text("method"),
    Column("fingerprint", LargeBinary, nullable=False),
    _text("delivery"),
    _number("expires_at"),
)
Index("request_expiry", request.c.expires_at)
recipient = _keyed(
    "recipient",
    _text("tenant", key=True),
    _text("key", key=True),
    _number("accepted_at", key=True),
    _text("delivery", key=True),
)
label = _keyed(
    "label",
    _text("tenant", key=True),
    Column("key", LargeBinary, primary_key=True, nullable=False),
    _number("accepted_at", key=True),
    _text("delivery", key=True),
)
Index("label_of_delivery", label.c.delivery)
tally = _keyed(
    "tally",
    _text("relay", key=True),
    _text("tenant", key=True),
    *map(_number, COUNTED),
)
content_file = _keyed(
    "content_file", _text("delivery", key=True), _text("sha256", key=True)
)
Index("content_of_file", content_file.c.sha256)
blob = _keyed(
    "blob",
    _text("tenant", key=True),
    _text("sha256", key=True),
    _number("size"),
    _number("expires_at"),
)
Index("blob_of_file", blob.c.sha256)
Index("blob_expiry", blob.c.expires_at)
relay_pause = _keyed(
    "relay_pause",
    _text("relay", key=True),
    _text("reason"),
    _text("paused_by"),
    _number("paused_at"),
)
quota = _keyed("quota", _text("scope", key=True), _number("day"), _number("used"))
hold = _keyed("hold", _text("scope", key=True), _text("reason"), _number("since"))
