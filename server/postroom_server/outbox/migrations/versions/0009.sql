-- A store that was restored.

-- In a copy that was not opened since it was made: when that was.
ALTER TABLE store ADD COLUMN copied_at INTEGER;

-- The oldest revision whose programs can use the store as it is now.
ALTER TABLE store ADD COLUMN least_revision TEXT NOT NULL DEFAULT '0009';

-- One row (its scope is "store") while nothing may be claimed: why, and since when.
CREATE TABLE hold (
    scope TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (scope)
) STRICT, WITHOUT ROWID;
