-- Labels.

-- For lists by tag or metadata, in their order.  `key` is a hash of the label.
CREATE TABLE label (
    tenant TEXT NOT NULL,
    key BLOB NOT NULL,
    accepted_at INTEGER NOT NULL,
    delivery TEXT NOT NULL,
    PRIMARY KEY (tenant, key, accepted_at, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX label_of_delivery ON label (delivery);
