-- The recipients of a day, so that a restart does not begin to count anew.

-- One row for each relay and tenant that has such a limit; `day` is the last one (UTC,
-- since 1970) in which mail was sent.
CREATE TABLE quota (
    scope TEXT NOT NULL,
    day INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (scope)
) STRICT, WITHOUT ROWID;
