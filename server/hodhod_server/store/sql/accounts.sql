-- name: find
SELECT user_id, name, phone_encrypted, created_at FROM users WHERE user_id = $1

-- name: find_by_phone
SELECT user_id, name, phone_encrypted, created_at FROM users WHERE phone_hash = $1

-- name: insert
INSERT INTO users (phone_hash, phone_encrypted, name, created_at) VALUES ($1, $2, $3, $4)
RETURNING user_id, name, phone_encrypted, created_at

-- name: set_name
UPDATE users SET name = $2 WHERE user_id = $1
