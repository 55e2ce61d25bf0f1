-- What is asked, where PostgreSQL's words are others.  Values in the same places.

-- live_deliveries --
-- Not those that wait in a process that lives, or that a caller in one waits for.
SELECT
    id, tenant, relay, version, accepted_at, settled_at, content_purged, message_id,
    request_id, doc
FROM delivery AS d
WHERE settled_at IS NULL AND status = %s AND completion = %s AND NOT EXISTS (
    SELECT 1 FROM due AS b JOIN node AS n ON n.owner = b.holder
    WHERE b.delivery = d.id AND n.until >= clock_timestamp()
        AND n.owner <> current_setting('postroom.owner')
) AND NOT EXISTS (
    SELECT 1 FROM waiter AS w JOIN node AS n ON n.owner = w.owner
    WHERE w.delivery = d.id AND w.until > clock_timestamp()
        AND n.until >= clock_timestamp()
        AND n.owner <> current_setting('postroom.owner')
)
ORDER BY accepted_at, id

-- live_after --
-- Not those that another process that lives has under way, or whose callers wait there.
SELECT
    d.id, d.tenant, d.relay, d.version, d.accepted_at, d.settled_at, d.content_purged,
    d.message_id, d.request_id, d.doc
FROM delivery AS d
WHERE d.settled_at IS NULL AND d.status = %s AND d.accepted_at < %s
    AND (d.accepted_at, d.id) > (%s, %s)
    AND NOT EXISTS (
        SELECT 1 FROM node AS n
        WHERE n.until >= clock_timestamp()
            AND n.owner <> current_setting('postroom.owner')
            AND n.owner IN (
                SELECT l.owner FROM lease AS l WHERE l.delivery = d.id
                UNION ALL
                SELECT b.holder FROM due AS b WHERE b.delivery = d.id
            )
    )
ORDER BY d.accepted_at, d.id
LIMIT %s

-- depth_by_tenant --
SELECT tenant, sum(due), sum(scheduled), sum(retrying), sum(sending), min(oldest)
FROM (
    SELECT
        tenant, (due_at <= %(now)s)::int AS due,
        (due_at > %(now)s AND lane %% 2 = 0)::int AS scheduled,
        (due_at > %(now)s AND lane %% 2 = 1)::int AS retrying, 0 AS sending,
        CASE WHEN due_at <= %(now)s THEN due_at END AS oldest
    FROM due
    WHERE (%(relay)s = '' OR relay = %(relay)s)
    UNION ALL
    SELECT tenant, 0, 0, 0, 1, NULL FROM delivery
    WHERE settled_at IS NULL AND status = %(sending)s
        AND (%(relay)s = '' OR relay = %(relay)s)
) AS found
WHERE (%(tenant)s = '' OR tenant = %(tenant)s)
GROUP BY tenant

-- lanes --
-- From each lane straight to the next; what waits in other processes is not ours.
WITH RECURSIVE found (lane, tenant) AS (
    SELECT
        v.lane,
        (SELECT min(tenant) FROM due WHERE relay = %(relay)s AND lane = v.lane)
    FROM (VALUES (2), (3), (4), (5), (6), (7)) AS v (lane)
    UNION ALL
    SELECT
        f.lane,
        (SELECT min(d.tenant) FROM due AS d
            WHERE d.relay = %(relay)s AND d.lane = f.lane AND d.tenant > f.tenant)
    FROM found AS f
    WHERE f.tenant IS NOT NULL
), firsts AS (
    SELECT
        f.lane, f.tenant,
        (SELECT d.due_at FROM due AS d
            WHERE d.relay = %(relay)s AND d.lane = f.lane AND d.tenant = f.tenant
                AND d.holder IN ('', current_setting('postroom.owner'))
            ORDER BY d.due_at
            LIMIT 1) AS due_at
    FROM found AS f
    WHERE f.tenant IS NOT NULL
)
SELECT lane, tenant, due_at FROM firsts WHERE due_at IS NOT NULL

-- blob_octets --
SELECT coalesce(sum(greatest(size, %s)), 0) FROM blob
WHERE tenant = %s AND expires_at > %s

-- due_deliveries_of_lanes --
-- The first of each lane, with what is sent: those for everybody and those for us
-- alone.  A delivery that somebody is changing is not in the way.
WITH found AS MATERIALIZED (
    SELECT first.delivery, first.due_at, w.place
    FROM unnest(%s::int8[], %s::text[], %s::int8[]) WITH ORDINALITY
        AS w (lane, tenant, wanted, place)
    CROSS JOIN LATERAL (
        SELECT due.delivery, due.due_at FROM due
        WHERE due.relay = %s AND due.lane = w.lane AND due.tenant = w.tenant
            AND due.due_at <= %s
            AND NOT EXISTS (SELECT 1 FROM hold WHERE scope = 'store')
            AND due.holder IN ('', current_setting('postroom.owner'))
        ORDER BY due.due_at, due.delivery
        LIMIT w.wanted
        FOR UPDATE SKIP LOCKED
    ) AS first
)
SELECT
    d.id, d.tenant, d.relay, d.version, d.accepted_at, d.settled_at,
    d.content_purged, d.message_id, d.request_id, d.doc, c.format, c.data, found.place
FROM found
JOIN delivery AS d ON d.id = found.delivery
LEFT JOIN content AS c ON c.delivery = found.delivery
ORDER BY found.place, found.due_at, found.delivery
FOR UPDATE OF d SKIP LOCKED

-- next_due --
SELECT due_at FROM due
WHERE relay = %s AND lane = %s AND tenant = %s
    AND NOT EXISTS (SELECT 1 FROM hold WHERE scope = 'store')
    AND holder IN ('', current_setting('postroom.owner'))
ORDER BY due_at
LIMIT 1

-- spent_contents --
SELECT
    id, tenant, relay, version, accepted_at, settled_at, content_purged, message_id,
    request_id, doc
FROM delivery
WHERE settled_at IS NOT NULL AND content_purged = 0 AND settled_at < %s
ORDER BY settled_at
LIMIT %s
FOR UPDATE SKIP LOCKED

-- old_deliveries --
SELECT id FROM delivery
WHERE settled_at IS NOT NULL AND content_purged IN (0, 1) AND settled_at < %s
LIMIT %s
FOR UPDATE SKIP LOCKED

-- last_event --
-- What transactions before this one wrote does not change any more.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint

-- events_of_all --
SELECT seq, delivery, sequence, kind, at, doc, xid::text::bigint FROM event
WHERE (xid, seq) > (%(transaction)s::text::xid8, %(after)s)
    AND xid < %(until)s::text::xid8 AND at >= %(since)s
ORDER BY xid, seq
LIMIT %(limit)s

-- events_of_tenant --
SELECT seq, delivery, sequence, kind, at, doc, xid::text::bigint FROM event
WHERE tenant = %(tenant)s AND (xid, seq) > (%(transaction)s::text::xid8, %(after)s)
    AND xid < %(until)s::text::xid8 AND at >= %(since)s
ORDER BY xid, seq
LIMIT %(limit)s

-- events_of_deliveries --
SELECT seq, delivery, sequence, kind, at, doc, xid::text::bigint FROM event
WHERE delivery IN (
        SELECT value FROM json_array_elements_text(CAST(%(deliveries)s AS json))
    )
    AND tenant = %(tenant)s AND (xid, seq) > (%(transaction)s::text::xid8, %(after)s)
    AND xid < %(until)s::text::xid8 AND at >= %(since)s
ORDER BY xid, seq
LIMIT %(limit)s

-- event_sources --
SELECT
    id, tenant, relay, message_id, request_id,
    json_build_array(doc::json->'trace', doc::json->'tags', doc::json->'meta')::text
FROM delivery
WHERE id IN (SELECT value FROM json_array_elements_text(CAST(%s AS json)))
