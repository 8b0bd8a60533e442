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
