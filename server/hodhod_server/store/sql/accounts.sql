-- name: find
SELECT user_id, name, phone_encrypted, created_at FROM users WHERE user_id = $1

-- name: find_by_phone
SELECT user_id, name, phone_encrypted, created_at FROM users WHERE phone_hash = $1

-- name: insert
INSERT INTO users (phone_hash, phone_encrypted, name, created_at) VALUES ($1, $2, $3, $4)
RETURNING user_id, name, phone_encrypted, created_at

-- name: set_name
-- Who has a private chat with them sees the name there; rows in order, as positions are written.
WITH renamed AS (
    UPDATE users SET name = $2 WHERE user_id = $1
), locked AS MATERIALIZED (
    SELECT m.chat_id FROM members AS m JOIN chats AS c USING (chat_id)
    WHERE m.user_id = $1 AND c.kind = 'private' ORDER BY m.chat_id FOR NO KEY UPDATE OF m
)
UPDATE members AS m SET changed_at = now()
FROM locked WHERE m.chat_id = locked.chat_id AND m.user_id = $1

-- name: find_owner
-- Ended devices count: somebody was there.
SELECT u.user_id, u.name, u.phone_encrypted, u.created_at,
       g.pin_hash IS NOT NULL AS has_pin, g.totp_confirmed_at IS NOT NULL AS has_totp,
       greatest(u.created_at, (SELECT max(d.last_seen_at) FROM devices AS d
                               WHERE d.user_id = u.user_id)) AS last_seen_at
FROM users AS u LEFT JOIN guards AS g USING (user_id) WHERE u.phone_hash = $1

-- name: lose_number
UPDATE users
SET former_phone_hash = phone_hash, phone_hash = NULL, phone_encrypted = NULL, number_lost_at = $2
WHERE user_id = $1

-- name: change_number
UPDATE users
SET phone_hash = $2, phone_encrypted = $3, former_phone_hash = NULL, number_lost_at = NULL
WHERE user_id = $1
