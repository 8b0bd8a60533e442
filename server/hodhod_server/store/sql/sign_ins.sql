-- name: asked_of
-- Whom the numbers belong to, where a device is signed in that could approve.
-- By each number, and only then its devices: as a join it would begin with all devices there are.
SELECT u.user_id, u.phone_hash FROM users AS u, LATERAL (
    SELECT FROM devices AS d WHERE d.user_id = u.user_id AND d.revoked_at IS NULL LIMIT 1
) AS signed_in
WHERE u.phone_hash = ANY($1)

-- name: waiting_for
SELECT c.* FROM challenges AS c JOIN users AS u USING (phone_hash)
WHERE u.user_id = $1 AND c.created_at > $2 AND c.code_accepted_at IS NULL
  AND c.refused_at IS NULL AND c.device_id IS NULL
ORDER BY c.created_at DESC LIMIT $3

-- name: is_of
SELECT EXISTS (SELECT FROM users WHERE user_id = $1 AND phone_hash = $2)

-- name: approve
UPDATE challenges
SET code_accepted_at = coalesce(code_accepted_at, $2), accepted_by = 'device', approved_by = $3,
    version = version + 1, news_at = $2
WHERE challenge_id = $1

-- name: refuse
UPDATE challenges SET refused_at = $2, version = version + 1, news_at = $2 WHERE challenge_id = $1
