-- What the writer asks when rows were refused, or on its own account.

-- expire_request --
-- An expired record makes room for a new one of its id.
DELETE FROM request WHERE tenant = ? AND request_id = ? AND expires_at <= ?

-- stored_delivery --
SELECT version, doc FROM delivery WHERE id = ?

-- due_deliveries --
-- The first of a lane, with what is sent.
SELECT
    d.id, d.tenant, d.relay, d.version, d.accepted_at, d.settled_at,
    d.content_purged, d.message_id, d.request_id, d.doc, c.format, c.data
FROM due
JOIN delivery AS d ON d.id = due.delivery
LEFT JOIN content AS c ON c.delivery = due.delivery
WHERE due.relay = ? AND due.lane = ? AND due.tenant = ? AND due.due_at <= ?
    AND NOT EXISTS (SELECT 1 FROM hold WHERE scope = 'store')
ORDER BY due.due_at, due.delivery
LIMIT ?

-- put_off --
UPDATE due SET due_at = ? WHERE delivery = ?

-- open_quota --
-- What was used of a day's quota.  A clock that is behind counts for the later day.
INSERT INTO quota (scope, day, used) VALUES (:scope, :day, 0)
ON CONFLICT (scope) DO UPDATE SET
    used = CASE WHEN quota.day < excluded.day THEN 0 ELSE quota.used END,
    day = CASE WHEN quota.day < excluded.day THEN excluded.day ELSE quota.day END
RETURNING used

-- use_quota --
UPDATE quota SET used = used + :count WHERE scope = :scope

-- return_quota --
UPDATE quota SET used = CASE WHEN used > :count THEN used - :count ELSE 0 END
WHERE scope = :scope AND day = :day
