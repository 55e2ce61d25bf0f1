-- What commits are made of.  EACH stands for one row or many; `writer.py` runs these
-- in the order of `rows.ORDER`.

-- add_delivery --
INSERT INTO delivery (
    id, tenant, relay, completion, status, version, sequence, accepted_at, settled_at,
    content_purged, message_id, request_id, doc
) VALUES EACH(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- change_delivery --
-- id, version it was made from, relay, status, version, new events, settled_at,
-- content_purged, doc.  A row of another version is not changed.
UPDATE delivery SET
    relay = v.column3,
    status = v.column4,
    version = v.column5,
    sequence = delivery.sequence + v.column6,
    settled_at = v.column7,
    content_purged = v.column8,
    doc = v.column9
FROM (VALUES EACH(?, ?, ?, ?, ?, ?, ?, ?, ?)) AS v
WHERE delivery.id = v.column1 AND delivery.version = v.column2

-- change_delivery_alone --
-- The same for one row: what is joined makes SQLite build a table first.
UPDATE delivery SET
    relay = ?3,
    status = ?4,
    version = ?5,
    sequence = sequence + ?6,
    settled_at = ?7,
    content_purged = ?8,
    doc = ?9
WHERE id = ?1 AND version = ?2

-- add_content --
INSERT INTO content (delivery, format, data) VALUES EACH(?, ?, ?)

-- add_attempt --
-- Those that their delivery carries no more.  Older versions stored all.
INSERT INTO attempt (delivery, number, doc) VALUES EACH(?, ?, ?)
ON CONFLICT (delivery, number) DO NOTHING

-- add_event --
-- tenant, delivery, how many of its events come behind this one, kind, at, doc.  Not
-- joined, see above.
INSERT INTO event (tenant, delivery, sequence, kind, at, doc)
SELECT
    v.column1, v.column2,
    (SELECT d.sequence FROM delivery AS d WHERE d.id = v.column2) - v.column3,
    v.column4, v.column5, v.column6
FROM (VALUES EACH(?, ?, ?, ?, ?, ?)) AS v

-- add_recipient --
INSERT INTO recipient (tenant, key, accepted_at, delivery) VALUES EACH(?, ?, ?, ?)

-- add_label --
INSERT INTO label (tenant, key, accepted_at, delivery) VALUES EACH(?, ?, ?, ?)

-- drop_due --
DELETE FROM due WHERE delivery IN (VALUES EACH(?))

-- put_due --
INSERT INTO due (delivery, relay, lane, tenant, due_at) VALUES EACH(?, ?, ?, ?, ?)
ON CONFLICT (delivery) DO UPDATE SET
    relay = excluded.relay, lane = excluded.lane, tenant = excluded.tenant,
    due_at = excluded.due_at

-- drop_request --
-- tenant, request id, the delivery it made.
DELETE FROM request
WHERE (tenant, request_id, delivery) IN (VALUES EACH(?, ?, ?))

-- add_request --
INSERT INTO request (tenant, request_id, method, fingerprint, delivery, expires_at)
VALUES EACH(?, ?, ?, ?, ?, ?)

-- add_counter --
-- What is counted is added to what was.
INSERT INTO tally (
    relay, tenant, accepted, succeeded, partial, rejected, failed, temp_failed,
    uncertain, expired, cancelled, attempts, retries, temporary_failures,
    transactions_accepted, recipients_delivered, recipients_refused, bytes_sent,
    reopened
) VALUES EACH(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (relay, tenant) DO UPDATE SET
    accepted = accepted + excluded.accepted,
    succeeded = succeeded + excluded.succeeded,
    partial = partial + excluded.partial,
    rejected = rejected + excluded.rejected,
    failed = failed + excluded.failed,
    temp_failed = temp_failed + excluded.temp_failed,
    uncertain = uncertain + excluded.uncertain,
    expired = expired + excluded.expired,
    cancelled = cancelled + excluded.cancelled,
    attempts = attempts + excluded.attempts,
    retries = retries + excluded.retries,
    temporary_failures = temporary_failures + excluded.temporary_failures,
    transactions_accepted = transactions_accepted + excluded.transactions_accepted,
    recipients_delivered = recipients_delivered + excluded.recipients_delivered,
    recipients_refused = recipients_refused + excluded.recipients_refused,
    bytes_sent = bytes_sent + excluded.bytes_sent,
    reopened = reopened + excluded.reopened

-- count_repair --
UPDATE store SET repairs = repairs + 1

-- add_content_file --
INSERT INTO content_file (delivery, sha256) VALUES EACH(?, ?)

-- keep_blob --
-- tenant, sha256, until when, now.  One that is past its time stays so: it counts for
-- no quota any more.
UPDATE blob SET expires_at = max(blob.expires_at, v.column3)
FROM (VALUES EACH(?, ?, ?, ?)) AS v
WHERE blob.tenant = v.column1 AND blob.sha256 = v.column2
    AND blob.expires_at > v.column4

-- put_blob --
INSERT INTO blob (tenant, sha256, size, expires_at) VALUES (?, ?, ?, ?)
ON CONFLICT (tenant, sha256) DO UPDATE SET expires_at = excluded.expires_at

-- put_pause --
INSERT INTO relay_pause (relay, reason, paused_by, paused_at) VALUES EACH(?, ?, ?, ?)
ON CONFLICT (relay) DO UPDATE SET
    reason = excluded.reason,
    paused_by = excluded.paused_by,
    paused_at = excluded.paused_at

-- drop_pause --
DELETE FROM relay_pause WHERE relay IN (VALUES EACH(?))

-- put_hold --
INSERT INTO hold (scope, reason, since) VALUES EACH(?, ?, ?)
ON CONFLICT (scope) DO UPDATE SET reason = excluded.reason, since = excluded.since

-- drop_hold --
DELETE FROM hold WHERE scope IN (VALUES EACH(?))

-- rename_store --
UPDATE store SET id = ?
