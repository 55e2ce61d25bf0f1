-- What a fleet has besides.

-- Processes that live: who they are, and until when they are believed to.
CREATE TABLE node (
    owner TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until TIMESTAMPTZ NOT NULL
);

-- Whose attempts are under way.  `taken`: its owner took it from one that was gone, to
-- settle it.
CREATE TABLE lease (
    delivery TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner TEXT COLLATE "C" NOT NULL,
    taken BOOLEAN NOT NULL DEFAULT false
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

ALTER TABLE counter ADD COLUMN part BIGINT NOT NULL DEFAULT 0;
ALTER TABLE counter DROP CONSTRAINT counter_pkey;
ALTER TABLE counter ADD PRIMARY KEY (relay, tenant, name, part);
ALTER TABLE counter SET (fillfactor = 50);

-- Contents come compressed where that is worth it.
ALTER TABLE content ALTER COLUMN data SET STORAGE EXTERNAL;

-- Numbers are given before transactions end, so they are no order; these are.
ALTER TABLE event ADD COLUMN xid XID8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX event_order ON event (xid, seq);
