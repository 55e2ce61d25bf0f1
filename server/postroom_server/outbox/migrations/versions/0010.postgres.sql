-- Whose marks tell of an attempt.

-- Of what was taken over: who made the attempt.
ALTER TABLE lease ADD COLUMN left_by TEXT COLLATE "C" NOT NULL DEFAULT '';
