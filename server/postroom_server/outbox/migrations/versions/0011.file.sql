-- Less to write for each mail.

-- What is counted of a relay and a tenant, in one row instead of one for each name.
CREATE TABLE tally (
    relay TEXT NOT NULL,
    tenant TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    partial INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    temp_failed INTEGER NOT NULL,
    uncertain INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    temporary_failures INTEGER NOT NULL,
    transactions_accepted INTEGER NOT NULL,
    recipients_delivered INTEGER NOT NULL,
    recipients_refused INTEGER NOT NULL,
    bytes_sent INTEGER NOT NULL,
    reopened INTEGER NOT NULL,
    PRIMARY KEY (relay, tenant)
) STRICT, WITHOUT ROWID;
INSERT INTO tally
SELECT
    relay, tenant,
    coalesce(sum(value) FILTER (WHERE name = 'accepted'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'succeeded'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'partial'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'rejected'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'failed'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'temp_failed'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'uncertain'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'expired'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'cancelled'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'attempts'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'retries'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'temporary_failures'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'transactions_accepted'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'recipients_delivered'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'recipients_refused'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'bytes_sent'), 0),
    coalesce(sum(value) FILTER (WHERE name = 'reopened'), 0)
FROM counter
GROUP BY relay, tenant;
DROP TABLE counter;
CREATE VIEW counter AS
SELECT relay, tenant, 'accepted' AS name, accepted AS value FROM tally
UNION ALL SELECT relay, tenant, 'succeeded', succeeded FROM tally
UNION ALL SELECT relay, tenant, 'partial', partial FROM tally
UNION ALL SELECT relay, tenant, 'rejected', rejected FROM tally
UNION ALL SELECT relay, tenant, 'failed', failed FROM tally
UNION ALL SELECT relay, tenant, 'temp_failed', temp_failed FROM tally
UNION ALL SELECT relay, tenant, 'uncertain', uncertain FROM tally
UNION ALL SELECT relay, tenant, 'expired', expired FROM tally
UNION ALL SELECT relay, tenant, 'cancelled', cancelled FROM tally
UNION ALL SELECT relay, tenant, 'attempts', attempts FROM tally
UNION ALL SELECT relay, tenant, 'retries', retries FROM tally
UNION ALL SELECT relay, tenant, 'temporary_failures', temporary_failures FROM tally
UNION ALL SELECT relay, tenant, 'transactions_accepted', transactions_accepted FROM tally
UNION ALL SELECT relay, tenant, 'recipients_delivered', recipients_delivered FROM tally
UNION ALL SELECT relay, tenant, 'recipients_refused', recipients_refused FROM tally
UNION ALL SELECT relay, tenant, 'bytes_sent', bytes_sent FROM tally
UNION ALL SELECT relay, tenant, 'reopened', reopened FROM tally;

-- Most stores have one tenant: its events are all there are, in the order of the table.
DROP INDEX event_of_tenant;
CREATE INDEX event_of_tenant ON event (tenant, seq) WHERE tenant <> 'default';

-- Who a delivery is for stands in its document, too.
DROP INDEX recipient_of_delivery;

-- Programs from before know none of it.
UPDATE store SET least_revision = '0011';
