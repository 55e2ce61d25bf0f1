-- The tables of the first version.  Times are microseconds since 1970 UTC.

-- One row: what this store is.  `repairs` counts failed commits that were healed.
CREATE TABLE store (
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    format INTEGER NOT NULL,
    repairs INTEGER NOT NULL
) STRICT;

-- A delivery as its caller sees it; `doc` holds what has no column, `sequence` is
-- that of its last event.
CREATE TABLE delivery (
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    relay TEXT NOT NULL,
    completion INTEGER NOT NULL,
    status INTEGER NOT NULL,
    version INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    settled_at INTEGER,
    content_purged INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX delivery_of_tenant ON delivery (tenant, accepted_at, id);
CREATE INDEX delivery_of_message
    ON delivery (tenant, message_id, accepted_at, id);
CREATE INDEX delivery_live ON delivery (status, accepted_at, id, completion)
    WHERE settled_at IS NULL;
CREATE INDEX delivery_settled ON delivery (content_purged, settled_at)
    WHERE settled_at IS NOT NULL;

-- The hot table: what waits for its next attempt.  `lane` is 0 for fresh ones, 1 for
-- those tried before.
CREATE TABLE due (
    delivery TEXT NOT NULL,
    relay TEXT NOT NULL,
    lane INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX due_order ON due (relay, lane, due_at, delivery);

CREATE TABLE content (
    delivery TEXT NOT NULL,
    format INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (delivery)
) STRICT;

CREATE TABLE attempt (
    delivery TEXT NOT NULL,
    number INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

-- `seq` orders all events and is never used twice; `sequence` counts those of one
-- delivery, from 1, without gaps.
CREATE TABLE event (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    delivery TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_of_delivery ON event (delivery, sequence);

CREATE TABLE request (
    tenant TEXT NOT NULL,
    request_id TEXT NOT NULL,
    method TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    delivery TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, request_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_expiry ON request (expires_at);

-- For lists by recipient, in their order.
CREATE TABLE recipient (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    delivery TEXT NOT NULL,
    PRIMARY KEY (tenant, key, accepted_at, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_of_delivery ON recipient (delivery);

CREATE TABLE counter (
    relay TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (relay, tenant, name)
) STRICT, WITHOUT ROWID;
