-- What must not be in a sound store.  Each query counts what it finds, and gives one.

-- check_content --
-- Live deliveries without a content.
SELECT count(*), min(d.id) FROM delivery AS d
WHERE d.settled_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM content AS c WHERE c.delivery = d.id)

-- check_waiting --
-- Deliveries that wait and are never due.
SELECT count(*), min(d.id) FROM delivery AS d
WHERE d.settled_at IS NULL AND d.status IN (1, 3)
    AND NOT EXISTS (SELECT 1 FROM due AS q WHERE q.delivery = d.id)

-- check_due --
-- Rows that are due and whose delivery does not wait, or elsewhere.
SELECT count(*), min(q.delivery) FROM due AS q
LEFT JOIN delivery AS d ON d.id = q.delivery
WHERE d.id IS NULL OR d.settled_at IS NOT NULL OR d.status NOT IN (1, 3)
    OR d.relay <> q.relay OR d.tenant <> q.tenant

-- check_status --
-- Deliveries whose status and whose end contradict each other.
SELECT count(*), min(id) FROM delivery
WHERE (settled_at IS NULL AND status NOT IN (1, 2, 3))
    OR (settled_at IS NOT NULL AND status IN (1, 2, 3))

-- check_contents_of_none --
SELECT count(*), min(c.delivery) FROM content AS c
WHERE NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.id = c.delivery)

-- check_attempts_of_none --
SELECT count(*), min(a.delivery) FROM attempt AS a
WHERE NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.id = a.delivery)

-- check_files_of_none --
SELECT count(*), min(f.delivery) FROM content_file AS f
WHERE NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.id = f.delivery)

-- check_lists_of_none --
SELECT count(*), min(k.delivery) FROM (
    SELECT delivery FROM recipient UNION ALL SELECT delivery FROM label
) AS k
WHERE NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.id = k.delivery)

-- check_events --
-- Live deliveries whose events are not those that were counted.
SELECT count(*), min(found.id) FROM (
    SELECT
        d.id, d.sequence,
        (SELECT count(*) FROM event AS e WHERE e.delivery = d.id) AS events
    FROM delivery AS d
    WHERE d.settled_at IS NULL
) AS found
WHERE found.events <> found.sequence

-- check_counters --
-- Tenants whose deliveries are not all counted: those accepted and opened again are
-- those that ended and those that are live.
SELECT count(*), min(tenant) FROM (
    SELECT tenant FROM (
        SELECT
            tenant,
            CASE
                WHEN name IN ('accepted', 'reopened') THEN value
                WHEN name IN (
                    'succeeded', 'partial', 'rejected', 'failed', 'temp_failed',
                    'uncertain', 'expired', 'cancelled'
                ) THEN -value
                ELSE 0
            END AS n
        FROM counter
        UNION ALL
        SELECT tenant, -1 FROM delivery WHERE settled_at IS NULL
    ) AS counted
    GROUP BY tenant
    HAVING sum(n) <> 0
) AS wrong

-- check_rows --
-- All deliveries with what is stored of their contents, page by page.
SELECT
    d.id, d.tenant, d.relay, d.version, d.accepted_at, d.settled_at, d.content_purged,
    d.message_id, d.request_id, d.doc, c.format, c.data
FROM delivery AS d
LEFT JOIN content AS c ON c.delivery = d.id
WHERE d.id > ?
ORDER BY d.id
LIMIT ?

-- check_octets --
-- The octets that are referred to, and their size where it is known.
SELECT sha256, max(size) FROM (
    SELECT sha256, size FROM blob UNION ALL SELECT sha256, 0 FROM content_file
) AS found
GROUP BY sha256
