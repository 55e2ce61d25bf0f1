-- What only a fleet needs: who is there, and what the others left.

-- be_owner --
SELECT set_config('postroom.owner', %s, false)

-- register --
INSERT INTO node (owner, until, revision)
VALUES (%s, clock_timestamp() + make_interval(secs => %s), %s)

-- renew --
-- One that ended can't be renewed: others may have taken over already.
UPDATE node SET until = clock_timestamp() + make_interval(secs => %s)
WHERE owner = %s AND until >= clock_timestamp()

-- deregister --
DELETE FROM node WHERE owner = %s

-- forget_dead --
DELETE FROM node WHERE until < clock_timestamp()

-- take_over --
-- Nothing on hold: an operator says what becomes of it.
UPDATE lease SET
    left_by = CASE WHEN taken THEN left_by ELSE owner END,
    owner = current_setting('postroom.owner'), taken = true
WHERE delivery IN (
    SELECT l.delivery FROM lease AS l
    WHERE NOT EXISTS (SELECT 1 FROM node AS n WHERE n.owner = l.owner)
        AND NOT EXISTS (SELECT 1 FROM hold WHERE scope = 'store')
    ORDER BY l.delivery
    FOR UPDATE SKIP LOCKED
)

-- left_by --
SELECT left_by FROM lease WHERE delivery = %s AND taken

-- leavers --
-- Whose marks are needed, or may be.
SELECT owner FROM lease UNION SELECT left_by FROM lease UNION SELECT owner FROM node

-- free_held --
-- What waited for callers that are gone with their process is for everybody.
UPDATE due SET holder = ''
WHERE holder <> '' AND NOT EXISTS (SELECT 1 FROM node AS n WHERE n.owner = due.holder)

-- taken_over --
SELECT
    d.id, d.tenant, d.relay, d.version, d.accepted_at, d.settled_at, d.content_purged,
    d.message_id, d.request_id, d.doc
FROM lease AS l
JOIN delivery AS d ON d.id = l.delivery
WHERE l.owner = current_setting('postroom.owner') AND l.taken
    AND NOT EXISTS (SELECT 1 FROM hold WHERE scope = 'store')
ORDER BY d.id

-- holds --
SELECT 1 FROM lease AS l
JOIN delivery AS d ON d.id = l.delivery
WHERE l.delivery = %s AND d.version = %s AND l.owner = %s

-- purge_alone --
SELECT pg_try_advisory_xact_lock(7061420, 1)

-- unflushed --
SELECT set_config('synchronous_commit', 'off', true)

-- quota_alone --
SELECT pg_advisory_xact_lock(7061421, hashtext(%s))

-- notify_due --
SELECT pg_notify('postroom_due', %s)

-- touch_octets --
UPDATE octets SET touched_at = clock_timestamp() WHERE sha256 = %s AND size = %s

-- add_octets --
INSERT INTO octets (sha256, size, touched_at) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (sha256) DO NOTHING

-- add_piece --
INSERT INTO octets_piece (sha256, number, data) VALUES (%s, %s, %b)

-- piece --
SELECT data FROM octets_piece WHERE sha256 = %s AND number = %s

-- unused_octets --
SELECT o.sha256 FROM octets AS o
WHERE o.touched_at < clock_timestamp() - interval '1 hour'
    AND NOT EXISTS (SELECT 1 FROM content_file AS c WHERE c.sha256 = o.sha256)
    AND NOT EXISTS (SELECT 1 FROM blob AS b WHERE b.sha256 = o.sha256)
LIMIT %s
FOR UPDATE SKIP LOCKED

-- drop_octets --
DELETE FROM octets WHERE sha256 = %s

-- sweep_octets --
WITH unused AS (
    SELECT o.sha256 FROM octets AS o
    WHERE o.touched_at < clock_timestamp() - interval '1 hour'
        AND NOT EXISTS (SELECT 1 FROM content_file AS c WHERE c.sha256 = o.sha256)
        AND NOT EXISTS (SELECT 1 FROM blob AS b WHERE b.sha256 = o.sha256)
    LIMIT %s
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM octets_piece USING unused WHERE octets_piece.sha256 = unused.sha256
)
DELETE FROM octets USING unused WHERE octets.sha256 = unused.sha256
RETURNING octets.sha256

-- notify_news --
SELECT pg_notify('postroom_news', %s)

-- is_elsewhere --
-- Under way in another process, or waiting for callers that are not ours.
SELECT 1 FROM lease
WHERE delivery = %s AND owner <> current_setting('postroom.owner')
UNION ALL
SELECT 1 FROM due
WHERE delivery = %s AND holder <> current_setting('postroom.owner')

-- wait_elsewhere --
INSERT INTO waiter (delivery, owner, tenant, until)
VALUES (
    %s, current_setting('postroom.owner'), %s,
    clock_timestamp() + make_interval(secs => %s)
)
ON CONFLICT (delivery, owner)
    DO UPDATE SET until = greatest(waiter.until, excluded.until)

-- wait_no_more --
DELETE FROM waiter WHERE delivery = %s AND owner = current_setting('postroom.owner')

-- patience_of_others --
SELECT max(extract(epoch FROM w.until - clock_timestamp()))::float8
FROM waiter AS w
JOIN node AS n ON n.owner = w.owner
WHERE w.delivery = %s AND w.owner <> current_setting('postroom.owner')
    AND w.until > clock_timestamp() AND n.until >= clock_timestamp()

-- waits --
-- For what is under way here, or held for callers of ours.
SELECT
    w.tenant, w.delivery, max(extract(epoch FROM w.until - clock_timestamp()))::float8
FROM waiter AS w
JOIN node AS n ON n.owner = w.owner
WHERE w.owner <> current_setting('postroom.owner')
    AND w.until > clock_timestamp() AND n.until >= clock_timestamp()
    AND (
        EXISTS (
            SELECT 1 FROM lease AS l
            WHERE l.delivery = w.delivery
                AND l.owner = current_setting('postroom.owner')
        ) OR EXISTS (
            SELECT 1 FROM due AS b
            WHERE b.delivery = w.delivery
                AND b.holder = current_setting('postroom.owner')
        )
    )
GROUP BY w.tenant, w.delivery

-- cancels --
SELECT c.delivery, c.attempt FROM cancellation AS c
JOIN lease AS l ON l.delivery = c.delivery
WHERE l.owner = current_setting('postroom.owner') AND NOT c.late

-- ask_to_cancel --
INSERT INTO cancellation (delivery, attempt)
SELECT delivery, %s FROM lease
WHERE delivery = %s AND owner <> current_setting('postroom.owner')
ON CONFLICT (delivery) DO UPDATE SET attempt = excluded.attempt, late = false

-- refuse_cancel --
UPDATE cancellation SET late = true WHERE delivery = %s

-- reaction --
SELECT late FROM cancellation WHERE delivery = %s AND attempt = %s

-- forget_waiters --
DELETE FROM waiter AS w
WHERE w.until < clock_timestamp()
    OR NOT EXISTS (SELECT 1 FROM node AS n WHERE n.owner = w.owner)
    OR NOT EXISTS (
        SELECT 1 FROM delivery AS d
        WHERE d.id = w.delivery AND d.settled_at IS NULL
    )

-- forget_cancellations --
DELETE FROM cancellation AS c
WHERE NOT EXISTS (
    SELECT 1 FROM delivery AS d WHERE d.id = c.delivery AND d.settled_at IS NULL
)

-- whereabouts --
-- Database and table, the log's timeline, and whether the cluster may be asked for.
SELECT
    (SELECT oid FROM pg_database WHERE datname = current_database())::text || '/'
        || 'store'::regclass::oid::text,
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
    has_function_privilege('pg_control_system()', 'EXECUTE')

-- cluster --
SELECT system_identifier::text FROM pg_control_system()

-- place --
SELECT place, extract(epoch FROM clock_timestamp() - seen_at)::float8, seen_at::text
FROM store

-- place_alone --
SELECT place, extract(epoch FROM clock_timestamp() - seen_at)::float8,
    to_char(seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM store
FOR UPDATE

-- move --
UPDATE store SET place = %s, seen_at = clock_timestamp()

-- seen --
-- Now and then: all processes would write this row.
UPDATE store SET seen_at = clock_timestamp()
WHERE seen_at < clock_timestamp() - interval '10 seconds'

-- check_leases --
SELECT count(*), min(d.id) FROM delivery AS d
WHERE d.settled_at IS NULL AND d.status = 2
    AND NOT EXISTS (SELECT 1 FROM lease AS l WHERE l.delivery = d.id)

-- check_leases_of_none --
SELECT count(*), min(l.delivery) FROM lease AS l
LEFT JOIN delivery AS d ON d.id = l.delivery
WHERE d.id IS NULL OR d.status <> 2

-- check_sizes --
SELECT o.sha256, o.size FROM octets AS o
WHERE o.size = (
    SELECT coalesce(sum(octet_length(p.data)), 0) FROM octets_piece AS p
    WHERE p.sha256 = o.sha256
)
