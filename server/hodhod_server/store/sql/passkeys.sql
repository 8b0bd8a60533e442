-- name: insert
-- As many as may be, no more.
INSERT INTO passkeys (credential_id, user_id, public_key, sign_count, name, created_at)
SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(*) FROM passkeys WHERE user_id = $2) < $7
ON CONFLICT (credential_id) DO NOTHING

-- name: of_user
SELECT credential_id, name, created_at, used_at FROM passkeys WHERE user_id = $1 ORDER BY created_at

-- name: find
SELECT p.public_key, p.sign_count, u.user_id, u.name, u.phone_encrypted, u.created_at
FROM passkeys AS p JOIN users AS u USING (user_id)
WHERE p.credential_id = $1 AND (u.number_lost_at IS NULL OR u.number_lost_at > $2)

-- name: use
-- A count that does not rise is that of a copy; authenticators that do not count say 0 for ever.
UPDATE passkeys SET sign_count = $2, used_at = $3
WHERE credential_id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))

-- name: remove
DELETE FROM passkeys WHERE credential_id = $1 AND user_id = $2
