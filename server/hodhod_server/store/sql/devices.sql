-- Every transaction that touches a device and its tokens locks the device first, so that rotation,
-- return and end of one session take turns and cannot deadlock.

-- name: insert
INSERT INTO devices (user_id, name, platform, public_key, created_at, last_seen_at, held_until)
VALUES ($1, $2, $3, $4, $5, $5, $6)
RETURNING *

-- name: find_twin
SELECT * FROM devices
WHERE user_id = $1 AND public_key = $2 AND created_at > $3 AND revoked_at IS NULL
ORDER BY device_id DESC LIMIT 1 FOR NO KEY UPDATE

-- name: lift_hold
UPDATE devices SET held_until = NULL WHERE device_id = $1

-- name: find
SELECT * FROM devices WHERE device_id = $1

-- name: of_user
SELECT * FROM devices WHERE user_id = $1 AND revoked_at IS NULL ORDER BY device_id

-- name: lock_by_token
SELECT * FROM devices
WHERE device_id = (SELECT device_id FROM refresh_tokens WHERE token_hash = $1)
FOR NO KEY UPDATE

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

-- name: refresh
-- The usual refresh, whole: an unused token of a device that is signed in gives its successor. No
-- row: look closer. The device is locked first; what waited for it finds the token used.
WITH device AS MATERIALIZED (
    SELECT d.device_id, d.user_id FROM devices AS d
    WHERE d.device_id = (SELECT device_id FROM refresh_tokens WHERE token_hash = $1)
      AND d.revoked_at IS NULL
    FOR NO KEY UPDATE
), used AS (
    UPDATE refresh_tokens AS t SET used_at = $3 FROM device
    WHERE t.token_hash = $1 AND t.device_id = device.device_id
      AND t.used_at IS NULL AND t.expires_at > $3
    RETURNING t.device_id
), seen AS (
    UPDATE devices AS d SET last_seen_at = $3 FROM used WHERE d.device_id = used.device_id
), following AS (
    INSERT INTO refresh_tokens (token_hash, device_id, issued_at, expires_at)
    SELECT $2, device_id, $3, $4 FROM used
)
SELECT used.device_id, u.user_id, u.name, u.phone_encrypted, u.created_at
FROM used JOIN device USING (device_id) JOIN users AS u USING (user_id)

-- name: return_by_key
-- A signed time that was not used, nor a later one: earlier tokens go, a new one comes.
WITH device AS (
    UPDATE devices SET key_used_ms = $2, last_seen_at = $3
    WHERE device_id = $1 AND key_used_ms < $2 AND revoked_at IS NULL
    RETURNING device_id, user_id
), withdrawn AS (
    DELETE FROM refresh_tokens AS t USING device WHERE t.device_id = device.device_id
), token AS (
    INSERT INTO refresh_tokens (token_hash, device_id, issued_at, expires_at)
    SELECT $4, device_id, $3, $5 FROM device
)
SELECT u.user_id, u.name, u.phone_encrypted, u.created_at
FROM device JOIN users AS u USING (user_id)

-- name: withdraw_tokens
DELETE FROM refresh_tokens WHERE device_id = $1
