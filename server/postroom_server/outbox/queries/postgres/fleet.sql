-- What only a fleet needs: who is there, and what the others left.

-- be_owner --
SELECT set_config('postroom.owner', %s, false)

-- register --
INSERT INTO node (owner, until)
VALUES (%s, clock_timestamp() + make_interval(secs => %s))

-- renew --
-- One that ended can't be renewed: others may have taken over already.
UPDATE node SET until = clock_timestamp() + make_interval(secs => %s)
WHERE owner = %s AND until >= clock_timestamp()

-- deregister --
DELETE FROM node WHERE owner = %s

-- forget_dead --
DELETE FROM node WHERE until < clock_timestamp()

-- take_over --
UPDATE lease SET owner = current_setting('postroom.owner'), taken = true
WHERE delivery IN (
    SELECT l.delivery FROM lease AS l
    WHERE NOT EXISTS (SELECT 1 FROM node AS n WHERE n.owner = l.owner)
    ORDER BY l.delivery
    FOR UPDATE SKIP LOCKED
)

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
ORDER BY d.id

-- holds --
SELECT 1 FROM lease AS l
JOIN delivery AS d ON d.id = l.delivery
WHERE l.delivery = %s AND d.version = %s AND l.owner = %s

-- purge_alone --
SELECT pg_try_advisory_xact_lock(7061420, 1)

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
