-- Large octets, for all processes: cut into pieces.

CREATE TABLE octets (
    sha256 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    touched_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX octets_touched ON octets (touched_at);
CREATE TABLE octets_piece (
    sha256 TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (sha256, number)
);
ALTER TABLE octets_piece ALTER COLUMN data SET STORAGE EXTERNAL;
