-- A database that was restored, and versions that run together.

-- Where the store was when it was last opened, and when it was last seen alive.
ALTER TABLE store ADD COLUMN place TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE store ADD COLUMN seen_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp();

-- What each process knows of the schema.
ALTER TABLE node ADD COLUMN revision TEXT COLLATE "C" NOT NULL DEFAULT '';
