-- What callers ask.  The columns of a delivery are those that `records.py` reads.

-- delivery --
SELECT
    id, tenant, relay, version, accepted_at, settled_at, content_purged, message_id,
    request_id, doc
FROM delivery
WHERE id = ? AND tenant = ?

-- deliveries --
-- `listing.py` adds the conditions.
SELECT
    id, tenant, relay, version, accepted_at, settled_at, content_purged, message_id,
    request_id, doc
FROM delivery AS d

-- deliveries_of_recipient --
-- The same, but in the order of the recipient's rows: CROSS keeps it.
SELECT
    d.id, d.tenant, d.relay, d.version, d.accepted_at, d.settled_at, d.content_purged,
    d.message_id, d.request_id, d.doc
FROM recipient AS k
CROSS JOIN delivery AS d ON d.id = k.delivery

-- deliveries_of_label --
-- The same for a tag or a pair.
SELECT
    d.id, d.tenant, d.relay, d.version, d.accepted_at, d.settled_at, d.content_purged,
    d.message_id, d.request_id, d.doc
FROM label AS k
CROSS JOIN delivery AS d ON d.id = k.delivery

-- of_recipient --
-- The row of a delivery that another index led to.
SELECT 1 FROM recipient AS o WHERE o.tenant = ? AND o.key = ?

-- of_label --
SELECT 1 FROM label AS o WHERE o.tenant = ? AND o.key = ?

-- count_recipient --
-- How many there are, as far as that is worth counting.
SELECT count(*) FROM (
    SELECT 1 FROM recipient
    WHERE tenant = :tenant AND key = :key
        AND accepted_at >= :from AND accepted_at < :before
    LIMIT :most
) AS found

-- count_label --
SELECT count(*) FROM (
    SELECT 1 FROM label
    WHERE tenant = :tenant AND key = :key
        AND accepted_at >= :from AND accepted_at < :before
    LIMIT :most
) AS found

-- count_live --
SELECT count(*) FROM (
    SELECT 1 FROM delivery
    WHERE settled_at IS NULL AND status = :key
        AND accepted_at >= :from AND accepted_at < :before
    LIMIT :most
) AS found

-- live_deliveries --
-- Of one live status and one completion, oldest first.
SELECT
    id, tenant, relay, version, accepted_at, settled_at, content_purged, message_id,
    request_id, doc
FROM delivery
WHERE settled_at IS NULL AND status = ? AND completion = ?
ORDER BY accepted_at, id

-- live_after --
-- Of one live status, in the order of acceptance, after a place in it.
SELECT
    id, tenant, relay, version, accepted_at, settled_at, content_purged, message_id,
    request_id, doc
FROM delivery
WHERE settled_at IS NULL AND status = ? AND accepted_at < ?
    AND (accepted_at, id) > (?, ?)
ORDER BY accepted_at, id
LIMIT ?

-- versions_of_leased --
-- What was under way: for the start, before anything begins.
SELECT id, version FROM delivery WHERE settled_at IS NULL AND status = ?

-- delivery_by_id --
SELECT
    id, tenant, relay, version, accepted_at, settled_at, content_purged, message_id,
    request_id, doc
FROM delivery
WHERE id = ?

-- request --
SELECT tenant, request_id, method, fingerprint, delivery, expires_at
FROM request
WHERE tenant = ? AND request_id = ? AND expires_at > ?

-- content --
SELECT format, data FROM content WHERE delivery = ?

-- next_due --
SELECT due_at FROM due
WHERE relay = ? AND lane = ? AND tenant = ? AND NOT EXISTS (SELECT 1 FROM hold WHERE scope = 'store')
ORDER BY relay, lane, tenant, due_at
LIMIT 1

-- lanes --
-- From each lane straight to the next: what is in them is not read.
WITH RECURSIVE found (lane, tenant) AS (
    SELECT
        v.column1,
        (SELECT min(tenant) FROM due WHERE relay = :relay AND lane = v.column1)
    FROM (VALUES (2), (3), (4), (5), (6), (7)) AS v
    UNION ALL
    SELECT
        f.lane,
        (SELECT min(d.tenant) FROM due AS d
            WHERE d.relay = :relay AND d.lane = f.lane AND d.tenant > f.tenant)
    FROM found AS f
    WHERE f.tenant IS NOT NULL
)
SELECT
    f.lane, f.tenant,
    (SELECT min(d.due_at) FROM due AS d
        WHERE d.relay = :relay AND d.lane = f.lane AND d.tenant = f.tenant)
FROM found AS f
WHERE f.tenant IS NOT NULL

-- counters --
SELECT name, sum(value) FROM counter GROUP BY name

-- counters_of_relay --
SELECT name, sum(value) FROM counter WHERE relay = ? GROUP BY name

-- counters_by_tenant --
-- Of the tenants with most deliveries; of one, where it is named.
SELECT tenant, name, sum(value)
FROM counter
WHERE (:relay = '' OR relay = :relay) AND tenant IN (
    SELECT tenant FROM counter
    WHERE name = 'accepted' AND (:relay = '' OR relay = :relay)
        AND (:tenant = '' OR tenant = :tenant)
    GROUP BY tenant
    ORDER BY sum(value) DESC, tenant
    LIMIT :most
)
GROUP BY tenant, name

-- depth_by_tenant --
-- From lane to lane; what is in one is counted in the index alone.  The even lanes hold
-- fresh mail, the odd ones retries.
WITH RECURSIVE relays (relay) AS (
    SELECT CASE WHEN :relay = '' THEN (SELECT min(relay) FROM due) ELSE :relay END
    UNION ALL
    SELECT (SELECT min(d.relay) FROM due AS d WHERE d.relay > r.relay)
    FROM relays AS r
    WHERE r.relay IS NOT NULL AND :relay = ''
),
found (relay, lane, tenant) AS (
    SELECT
        r.relay, v.column1,
        (SELECT min(d.tenant) FROM due AS d
            WHERE d.relay = r.relay AND d.lane = v.column1)
    FROM relays AS r
    CROSS JOIN (VALUES (2), (3), (4), (5), (6), (7)) AS v
    WHERE r.relay IS NOT NULL
    UNION ALL
    SELECT
        f.relay, f.lane,
        (SELECT min(d.tenant) FROM due AS d
            WHERE d.relay = f.relay AND d.lane = f.lane AND d.tenant > f.tenant)
    FROM found AS f
    WHERE f.tenant IS NOT NULL
),
counted (tenant, lane, due, later, oldest) AS (
    SELECT
        f.tenant, f.lane,
        (SELECT count(*) FROM due AS d
            WHERE d.relay = f.relay AND d.lane = f.lane AND d.tenant = f.tenant
                AND d.due_at <= :now),
        (SELECT count(*) FROM due AS d
            WHERE d.relay = f.relay AND d.lane = f.lane AND d.tenant = f.tenant
                AND d.due_at > :now),
        (SELECT min(d.due_at) FROM due AS d
            WHERE d.relay = f.relay AND d.lane = f.lane AND d.tenant = f.tenant
                AND d.due_at <= :now)
    FROM found AS f
    WHERE f.tenant IS NOT NULL AND (:tenant = '' OR f.tenant = :tenant)
)
SELECT tenant, sum(due), sum(scheduled), sum(retrying), sum(sending), min(oldest)
FROM (
    SELECT
        tenant, due, CASE lane % 2 WHEN 0 THEN later ELSE 0 END AS scheduled,
        CASE lane % 2 WHEN 1 THEN later ELSE 0 END AS retrying, 0 AS sending, oldest
    FROM counted
    UNION ALL
    SELECT tenant, 0, 0, 0, 1, NULL FROM delivery
    WHERE settled_at IS NULL AND status = :sending
        AND (:relay = '' OR relay = :relay) AND (:tenant = '' OR tenant = :tenant)
) AS parts
GROUP BY tenant

-- last_event --
SELECT seq FROM sqlite_sequence WHERE name = 'event'

-- events_of_all --
SELECT seq, delivery, sequence, kind, at, doc FROM event
WHERE seq > :after AND seq <= :until AND at >= :since
ORDER BY seq
LIMIT :limit

-- events_of_default --
-- Of the tenant that a store has where no other is named, which is in no index.
SELECT seq, delivery, sequence, kind, at, doc FROM event
WHERE tenant = :tenant AND seq > :after AND seq <= :until AND at >= :since
ORDER BY seq
LIMIT :limit

-- events_of_tenant --
SELECT seq, delivery, sequence, kind, at, doc FROM event INDEXED BY event_of_tenant
WHERE tenant = :tenant AND tenant <> 'default' AND seq > :after AND seq <= :until AND at >= :since
ORDER BY seq
LIMIT :limit

-- events_of_deliveries --
SELECT seq, delivery, sequence, kind, at, doc FROM event INDEXED BY event_of_delivery
WHERE delivery IN (SELECT value FROM json_each(:deliveries)) AND tenant = :tenant
    AND seq > :after AND seq <= :until AND at >= :since
ORDER BY seq
LIMIT :limit

-- event_sources --
-- What events tell of their deliveries.
SELECT
    id, tenant, relay, message_id, request_id,
    CASE WHEN json_valid(doc) THEN json_extract(doc, '$.trace', '$.tags', '$.meta') END
FROM delivery
WHERE id IN (SELECT value FROM json_each(?))

-- identity --
SELECT id, created_at, format FROM store

-- blob --
-- One that has not expired.
SELECT size, expires_at FROM blob
WHERE tenant = ? AND sha256 = ? AND expires_at > ?

-- blob_octets --
SELECT coalesce(sum(max(size, ?)), 0) FROM blob WHERE tenant = ? AND expires_at > ?

-- file_in_use --
SELECT 1 WHERE EXISTS (SELECT 1 FROM content_file WHERE sha256 = :sha256)
    OR EXISTS (SELECT 1 FROM blob WHERE sha256 = :sha256)

-- pauses --
SELECT relay, reason, paused_by, paused_at FROM relay_pause

-- quota_used --
SELECT used FROM quota WHERE scope = :scope AND day >= :day

-- hold --
SELECT reason, since FROM hold
