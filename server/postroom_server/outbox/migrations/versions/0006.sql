-- Paused relays.

-- One row for each relay that an administrator paused; `paused_by` is the name of a
-- credential.
CREATE TABLE relay_pause (
    relay TEXT NOT NULL,
    reason TEXT NOT NULL,
    paused_by TEXT NOT NULL,
    paused_at INTEGER NOT NULL,
    PRIMARY KEY (relay)
) STRICT, WITHOUT ROWID;
