-- name: insert
INSERT INTO invite_links (token, chat_id, created_by, created_at, expires_at, uses_max, requires_approval)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING *

-- name: find_by_token
SELECT * FROM invite_links WHERE token = $1

-- name: count_in_force
SELECT count(*) FROM invite_links
WHERE chat_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)

-- name: in_force
SELECT * FROM invite_links
WHERE chat_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
ORDER BY link_id

-- name: revoke
UPDATE invite_links SET revoked_at = $3 WHERE chat_id = $1 AND link_id = $2 AND revoked_at IS NULL
RETURNING link_id

-- name: use
-- The row is held until COMMIT: however many come at once, each place is taken once.
UPDATE invite_links SET uses = uses + 1
WHERE link_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
  AND (uses_max IS NULL OR uses < uses_max)
RETURNING link_id

-- name: give_back
UPDATE invite_links SET uses = uses - 1 WHERE link_id = $1

-- name: request
INSERT INTO join_requests (chat_id, user_id, link_id, requested_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING user_id

-- name: take_request
DELETE FROM join_requests WHERE chat_id = $1 AND user_id = $2 RETURNING link_id

-- name: forget_requests
-- Whoever came in another way, or is kept out, holds no place.
WITH gone AS (
    DELETE FROM join_requests WHERE chat_id = $1 AND user_id = ANY ($2::bigint[]) RETURNING link_id
), places AS (
    SELECT link_id, count(*) AS n FROM gone GROUP BY link_id
)
UPDATE invite_links AS l SET uses = l.uses - places.n FROM places WHERE l.link_id = places.link_id

-- name: page_of_requests
SELECT r.user_id, u.name, r.requested_at
FROM join_requests AS r JOIN users AS u USING (user_id)
WHERE r.chat_id = $1 AND r.user_id > $2
ORDER BY r.user_id LIMIT $3
