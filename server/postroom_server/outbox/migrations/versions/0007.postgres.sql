-- What processes ask of each other.

-- Callers of `owner` wait until then for a delivery that is elsewhere.
CREATE TABLE waiter (
    delivery TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (delivery, owner)
);

-- Attempts that are to be broken off where they are made.  `late`: it can't be.
CREATE TABLE cancellation (
    delivery TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    attempt BIGINT NOT NULL,
    late BOOLEAN NOT NULL DEFAULT false
);
