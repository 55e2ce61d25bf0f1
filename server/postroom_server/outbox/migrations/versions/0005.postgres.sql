-- Mail that waits where its caller does.

-- Who alone may claim it; empty: everybody.
ALTER TABLE due ADD COLUMN holder TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX due_held ON due (holder) WHERE holder <> '';
ALTER TABLE due SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
