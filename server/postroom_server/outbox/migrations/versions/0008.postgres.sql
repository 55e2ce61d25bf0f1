-- The buckets that a fleet takes its tokens from; full when they are not there.
CREATE TABLE bucket (
    scope TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    level DOUBLE PRECISION NOT NULL,
    at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
