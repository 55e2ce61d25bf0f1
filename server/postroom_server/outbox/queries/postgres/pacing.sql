-- The pace of a fleet: its common buckets, and who takes from them.

-- commit_later --
SET synchronous_commit = off

-- open_buckets --
-- Full at first: more than any burst.
INSERT INTO bucket (scope, level, at)
SELECT scope, 'infinity', clock_timestamp() FROM unnest(%s::text[]) AS a (scope)
ORDER BY scope
ON CONFLICT (scope) DO NOTHING

-- take_tokens --
-- What came since, and what was given back, is added; then the block is taken.
WITH asked AS (
    SELECT * FROM unnest(
        %s::text[], %s::float8[], %s::float8[], %s::int8[], %s::int8[], %s::int8[]
    ) AS a (scope, per_second, burst, want, held, back)
), alive AS (
    SELECT greatest(1, count(*)) AS processes FROM node
    WHERE until >= clock_timestamp()
), locked AS (
    SELECT b.scope, b.level, b.at FROM bucket AS b
    WHERE b.scope IN (SELECT scope FROM asked)
    ORDER BY b.scope
    FOR UPDATE
), sized AS (
    SELECT
        a.*, l.level, l.at, n.processes,
        greatest(1, floor(a.burst / (2 * n.processes))) AS block
    FROM asked AS a
    JOIN locked AS l ON l.scope = a.scope
    CROSS JOIN alive AS n
), filled AS (
    SELECT
        scope, want, processes, block, block - held AS room,
        least(
            greatest(burst - processes * block, burst / 2, 1),
            level + back + per_second
                * greatest(0, extract(epoch FROM clock_timestamp() - at)::float8)
        ) AS level
    FROM sized
), granted AS (
    SELECT
        scope, processes, block, level,
        greatest(0, least(want, floor(level + 1e-9), room)) AS granted
    FROM filled
)
UPDATE bucket AS b
SET level = g.level - g.granted, at = greatest(b.at, clock_timestamp())
FROM granted AS g
WHERE b.scope = g.scope
RETURNING b.scope, g.granted, b.level, g.block, g.processes

-- standing --
-- How many processes there are, and how many of them come before us.
SELECT count(*), count(*) FILTER (WHERE owner < %s) FROM node
WHERE until >= clock_timestamp()

-- sending_elsewhere --
SELECT count(*) FROM lease AS l
JOIN delivery AS d ON d.id = l.delivery
WHERE d.relay = %s AND l.owner <> %s
