-- name: take
-- One try more, unless none is left: then no row. A level falls by one in `$4` seconds.
INSERT INTO tries AS t (subject, level, at, ends_at)
VALUES ($1, 1, $2::timestamptz, $2::timestamptz + $4::float8 * interval '1 second')
ON CONFLICT (subject) DO UPDATE
SET level = 1 + greatest(0, t.level - extract(epoch FROM $2::timestamptz - t.at)::float8 / $4),
    at = greatest(t.at, $2),
    ends_at = greatest(t.ends_at, $2) + $4 * interval '1 second'
WHERE 1 + greatest(0, t.level - extract(epoch FROM $2::timestamptz - t.at)::float8 / $4) <= $3
RETURNING level

-- name: forget
DELETE FROM tries WHERE subject = $1
