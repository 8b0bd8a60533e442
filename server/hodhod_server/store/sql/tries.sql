-- name: take
-- One try more, unless none is left: then no row. A level falls by one in `$4` seconds.
INSERT INTO tries AS t (subject, level, at) VALUES ($1, 1, $2)
ON CONFLICT (subject) DO UPDATE
SET level = 1 + greatest(0, t.level - extract(epoch FROM $2 - t.at) / $4), at = greatest(t.at, $2)
WHERE 1 + greatest(0, t.level - extract(epoch FROM $2 - t.at) / $4) <= $3
RETURNING level

-- name: forget
DELETE FROM tries WHERE subject = $1
