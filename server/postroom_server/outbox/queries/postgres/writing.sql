-- What commits are made of, for PostgreSQL.  The columns are those of `rows.py`.
-- SENDING and RELAYED stand for
-- their numbers.  A lease follows the status; `postroom.owner` is who we are.

-- add_delivery --
WITH added AS (
    INSERT INTO delivery (
        id, tenant, relay, completion, status, version, sequence, accepted_at,
        settled_at, content_purged, message_id, request_id, doc
    )
    SELECT * FROM ROWS(text, text, text, int8, int8, int8, int8, int8, int8, int8, text,
        text, text)
    RETURNING id, status
), held AS (
    INSERT INTO lease (delivery, owner)
    SELECT id, current_setting('postroom.owner') FROM added WHERE status = SENDING
)
SELECT id FROM added

-- change_delivery --
WITH changed AS (
    UPDATE delivery SET
        relay = v.relay, status = v.status, version = v.version,
        sequence = delivery.sequence + v.events, settled_at = v.settled_at,
        content_purged = v.content_purged, doc = v.doc
    FROM ROWS(text, int8, text, int8, int8, int8, int8, int8, text)
        AS v (id, before, relay, status, version, events, settled_at, content_purged,
            doc)
    WHERE delivery.id = v.id AND delivery.version = v.before
    RETURNING delivery.id, delivery.status
), let_go AS (
    DELETE FROM lease USING changed
    WHERE lease.delivery = changed.id AND changed.status <> SENDING
), held AS (
    INSERT INTO lease (delivery, owner)
    SELECT id, current_setting('postroom.owner') FROM changed WHERE status = SENDING
    ON CONFLICT (delivery) DO NOTHING
)
SELECT id FROM changed

-- add_content --
INSERT INTO content (delivery, format, data) SELECT * FROM ROWS(text, int8, bytea)

-- add_attempt --
INSERT INTO attempt (delivery, number, doc) SELECT * FROM ROWS(text, int8, text)
ON CONFLICT (delivery, number) DO NOTHING

-- add_event --
-- Numbered in the order of the rows.
INSERT INTO event (tenant, delivery, sequence, kind, at, doc)
SELECT v.tenant, v.delivery, d.sequence - v.behind, v.kind, v.at, v.doc
FROM ROWS(text, text, int8, int8, int8, text) WITH ORDINALITY
    AS v (tenant, delivery, behind, kind, at, doc, place)
JOIN delivery AS d ON d.id = v.delivery
ORDER BY v.place

-- add_recipient --
INSERT INTO recipient (tenant, key, accepted_at, delivery)
SELECT * FROM ROWS(text, text, int8, text)

-- add_label --
INSERT INTO label (tenant, key, accepted_at, delivery)
SELECT * FROM ROWS(text, bytea, int8, text)

-- put_due --
-- What is relayed is for the process where its caller waits, whoever moves it.
INSERT INTO due (delivery, relay, lane, tenant, due_at, holder)
SELECT
    v.delivery, v.relay, v.lane, v.tenant, v.due_at,
    CASE WHEN d.completion = RELAYED THEN current_setting('postroom.owner') ELSE '' END
FROM ROWS(text, text, int8, text, int8) AS v (delivery, relay, lane, tenant, due_at)
JOIN delivery AS d ON d.id = v.delivery
ON CONFLICT (delivery) DO UPDATE SET
    relay = excluded.relay, lane = excluded.lane, tenant = excluded.tenant,
    due_at = excluded.due_at,
    holder = CASE
        WHEN excluded.holder = '' OR due.holder = '' THEN excluded.holder
        ELSE due.holder
    END

-- add_request --
-- A row that is there is no error in the database's log; whoever writes counts.
INSERT INTO request (tenant, request_id, method, fingerprint, delivery, expires_at)
SELECT * FROM ROWS(text, text, text, bytea, text, int8)
ON CONFLICT (tenant, request_id) DO NOTHING

-- add_counter --
-- Each connection counts in a part of its own, so that nobody waits for another's
-- commit; who reads adds them up.  The names are in the order in which all programs lock
-- them, also those from before: two may have the same part.
INSERT INTO counter (relay, tenant, name, part, value)
SELECT v.relay, v.tenant, n.name, pg_backend_pid() %% 64, n.value
FROM ROWS(text, text, int8, int8, int8, int8, int8, int8, int8, int8, int8, int8, int8, int8, int8, int8, int8, int8, int8)
    AS v (
        relay, tenant, accepted, succeeded, partial, rejected, failed, temp_failed,
        uncertain, expired, cancelled, attempts, retries, temporary_failures,
        transactions_accepted, recipients_delivered, recipients_refused, bytes_sent,
        reopened
    )
CROSS JOIN LATERAL (VALUES
    ('accepted', v.accepted),
    ('attempts', v.attempts),
    ('bytes_sent', v.bytes_sent),
    ('cancelled', v.cancelled),
    ('expired', v.expired),
    ('failed', v.failed),
    ('partial', v.partial),
    ('recipients_delivered', v.recipients_delivered),
    ('recipients_refused', v.recipients_refused),
    ('rejected', v.rejected),
    ('reopened', v.reopened),
    ('retries', v.retries),
    ('succeeded', v.succeeded),
    ('temp_failed', v.temp_failed),
    ('temporary_failures', v.temporary_failures),
    ('transactions_accepted', v.transactions_accepted),
    ('uncertain', v.uncertain)
) AS n (name, value)
WHERE n.value <> 0
ON CONFLICT (relay, tenant, name, part)
    DO UPDATE SET value = counter.value + excluded.value

-- add_content_file --
INSERT INTO content_file (delivery, sha256) SELECT * FROM ROWS(text, text)

-- keep_blob --
UPDATE blob SET expires_at = greatest(blob.expires_at, v.until)
FROM ROWS(text, text, int8, int8) AS v (tenant, sha256, until, now)
WHERE blob.tenant = v.tenant AND blob.sha256 = v.sha256 AND blob.expires_at > v.now

-- remove_recipients --
DELETE FROM recipient WHERE delivery IN (SELECT * FROM ROWS(text))

-- purge_events --
DELETE FROM event WHERE seq IN (SELECT * FROM ROWS(int8))

-- remove_delivery --
-- One that is taken back may be leased to us.
WITH removed AS (
    DELETE FROM delivery WHERE id IN (SELECT * FROM ROWS(text)) RETURNING id
), let_go AS (
    DELETE FROM lease USING removed WHERE lease.delivery = removed.id
)
SELECT id FROM removed
