-- Lanes of one tenant and one priority.

-- `lane` is twice the priority (1 bulk, 2 normal, 3 urgent), and one more for what was
-- tried before.  What waited until now is normal.
ALTER TABLE due RENAME TO due_before;
CREATE TABLE due (
    delivery TEXT NOT NULL,
    relay TEXT NOT NULL,
    lane INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (delivery)
) STRICT, WITHOUT ROWID;
INSERT INTO due (delivery, relay, lane, tenant, due_at)
SELECT b.delivery, b.relay, 4 + b.lane, d.tenant, b.due_at
FROM due_before AS b
JOIN delivery AS d ON d.id = b.delivery;
DROP TABLE due_before;
CREATE INDEX due_order ON due (relay, lane, tenant, due_at, delivery);
