-- What is past its time, a little at once.

-- purge_requests --
DELETE FROM request WHERE (tenant, request_id) IN (
    SELECT tenant, request_id FROM request
    WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
)

-- spent_contents --
-- Deliveries that settled before a time and still have their content.
SELECT
    id, tenant, relay, version, accepted_at, settled_at, content_purged, message_id,
    request_id, doc
FROM delivery
WHERE settled_at IS NOT NULL AND content_purged = 0 AND settled_at < ?
ORDER BY settled_at
LIMIT ?

-- old_deliveries --
-- Deliveries that settled before a time.
SELECT id FROM delivery
WHERE settled_at IS NOT NULL AND content_purged IN (0, 1) AND settled_at < ?
LIMIT ?

-- events_after --
-- The next events in their order, and whether their delivery is live.
SELECT e.seq, e.at, d.id IS NOT NULL AND d.settled_at IS NULL
FROM event AS e
LEFT JOIN delivery AS d ON d.id = e.delivery
WHERE e.seq > ?
ORDER BY e.seq
LIMIT ?

-- purge_events --
DELETE FROM event WHERE seq IN (VALUES EACH(?))

-- remove_content --
DELETE FROM content WHERE delivery IN (VALUES EACH(?))

-- remove_attempts --
DELETE FROM attempt WHERE delivery IN (VALUES EACH(?))

-- remove_events --
DELETE FROM event WHERE delivery IN (VALUES EACH(?))

-- remove_recipients --
-- By their whole keys, which the documents tell: an index of deliveries would cost each
-- mail more than this costs the few that go at once.
DELETE FROM recipient WHERE (tenant, key, accepted_at, delivery) IN (
    SELECT d.tenant, json_extract(r.value, '$.w'), d.accepted_at, d.id
    FROM delivery AS d
    CROSS JOIN json_each(CASE WHEN json_valid(d.doc) THEN d.doc ELSE '{}' END, '$.to')
        AS r
    WHERE d.id IN (VALUES EACH(?))
)

-- remove_labels --
DELETE FROM label WHERE delivery IN (VALUES EACH(?))

-- remove_due --
DELETE FROM due WHERE delivery IN (VALUES EACH(?))

-- remove_delivery --
DELETE FROM delivery WHERE id IN (VALUES EACH(?))

-- remove_content_files --
DELETE FROM content_file WHERE delivery IN (VALUES EACH(?))

-- purge_blobs --
DELETE FROM blob WHERE (tenant, sha256) IN (
    SELECT tenant, sha256 FROM blob
    WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
)
