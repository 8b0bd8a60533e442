-- name: set_recovery
-- One a person: a new one takes the place of the old.
INSERT INTO return_keys (key_hash, user_id, kind, created_at) VALUES ($1, $2, 'recovery', $3)
ON CONFLICT (user_id) WHERE kind = 'recovery'
DO UPDATE SET key_hash = excluded.key_hash, created_at = excluded.created_at

-- name: add_logout
-- The oldest go where there are more than may be.
WITH surplus AS (
    DELETE FROM return_keys WHERE key_hash IN (
        SELECT key_hash FROM return_keys WHERE user_id = $2 AND kind = 'logout'
        ORDER BY created_at DESC OFFSET $5
    )
)
INSERT INTO return_keys (key_hash, user_id, kind, created_at, expires_at)
VALUES ($1, $2, 'logout', $3, $4)

-- name: find_user
-- Whom one of these keys lets in, by the number that is or was theirs. The same for every number.
SELECT k.key_hash, u.user_id, u.name, u.phone_encrypted, u.created_at,
       g.pin_hash IS NOT NULL AS has_pin, g.totp_confirmed_at IS NOT NULL AS has_totp
FROM return_keys AS k JOIN users AS u USING (user_id) LEFT JOIN guards AS g USING (user_id)
WHERE k.key_hash = ANY($1) AND k.kind = $3 AND (k.expires_at IS NULL OR k.expires_at > $4)
  AND (u.phone_hash = $2 OR (u.former_phone_hash = $2 AND u.number_lost_at > $5))
LIMIT 1

-- name: use_up
-- It lives a little longer: an answer may have been lost.
UPDATE return_keys SET expires_at = least(expires_at, $2) WHERE key_hash = $1 AND kind = 'logout'

-- name: remove_recovery
DELETE FROM return_keys WHERE user_id = $1 AND kind = 'recovery'

-- name: remove_all
DELETE FROM return_keys WHERE user_id = $1
