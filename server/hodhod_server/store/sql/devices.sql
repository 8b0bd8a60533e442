-- Every transaction that touches a device and its tokens locks the device first, so that rotation,
-- return and end of one session take turns and cannot deadlock.

-- name: insert
INSERT INTO devices (user_id, name, platform, public_key, created_at, last_seen_at)
VALUES ($1, $2, $3, $4, $5, $5)
RETURNING *

-- name: find
SELECT * FROM devices WHERE device_id = $1

-- name: of_user
SELECT * FROM devices WHERE user_id = $1 AND revoked_at IS NULL ORDER BY device_id

-- name: lock_by_token
SELECT * FROM devices
WHERE device_id = (SELECT device_id FROM refresh_tokens WHERE token_hash = $1)
FOR NO KEY UPDATE

-- name: use_key
-- Each signed time works once: a later one shuts out all before it.
UPDATE devices SET key_used_ms = $2, last_seen_at = $3
WHERE device_id = $1 AND key_used_ms < $2 AND revoked_at IS NULL

-- name: end
UPDATE devices SET revoked_at = $2 WHERE device_id = $1 AND revoked_at IS NULL

-- name: end_of_user
UPDATE devices SET revoked_at = $3 WHERE device_id = $1 AND user_id = $2 AND revoked_at IS NULL

-- name: ended_since
SELECT device_id FROM devices WHERE revoked_at > $1

-- name: find_token
SELECT expires_at, used_at FROM refresh_tokens WHERE token_hash = $1

-- name: insert_token
INSERT INTO refresh_tokens (token_hash, device_id, issued_at, expires_at) VALUES ($1, $2, $3, $4)

-- name: rotate_token
-- The old token is marked, its successor comes to life, and the device was seen.
WITH old AS (UPDATE refresh_tokens SET used_at = $4 WHERE token_hash = $1 RETURNING device_id),
     seen AS (UPDATE devices SET last_seen_at = $4 FROM old WHERE devices.device_id = old.device_id)
INSERT INTO refresh_tokens (token_hash, device_id, issued_at, expires_at)
SELECT $2, device_id, $4, $3 FROM old

-- name: withdraw_tokens
DELETE FROM refresh_tokens WHERE device_id = $1
