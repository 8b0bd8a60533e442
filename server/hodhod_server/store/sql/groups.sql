-- Whoever changes who is in a chat, or what they may, holds the chat's row and then its `groups` row
-- until COMMIT. Joining a broadcast chat holds the second only, so that newcomers never wait for
-- messages, nor messages for them.

-- name: insert
WITH chat AS (INSERT INTO chats (kind, created_at) VALUES ($1, $2) RETURNING chat_id)
INSERT INTO groups (chat_id, title, about, permissions, shows_history, signs_posts)
SELECT chat_id, $3, $4, $5, $6, $7 FROM chat
RETURNING chat_id

-- name: find
SELECT c.chat_id, c.kind, c.version, c.last_seq, c.is_broadcast, g.title, g.about, g.member_count,
       g.permissions, g.slow_mode_s, g.shows_history, g.signs_posts
FROM chats AS c JOIN groups AS g USING (chat_id)
WHERE c.chat_id = $1

-- name: lock
SELECT c.chat_id, c.kind, c.version, c.last_seq, c.is_broadcast, g.title, g.about, g.member_count,
       g.permissions, g.slow_mode_s, g.shows_history, g.signs_posts
FROM chats AS c JOIN groups AS g USING (chat_id)
WHERE c.chat_id = $1
FOR NO KEY UPDATE OF c, g

-- name: lock_for_joining
SELECT c.chat_id, c.kind, c.version, c.last_seq, c.is_broadcast, g.title, g.about, g.member_count,
       g.permissions, g.slow_mode_s, g.shows_history, g.signs_posts
FROM chats AS c JOIN groups AS g USING (chat_id)
WHERE c.chat_id = $1
FOR NO KEY UPDATE OF g

-- name: raise_version
UPDATE chats SET version = version + 1 WHERE chat_id = $1

-- name: set_info
UPDATE groups SET title = $2, about = $3, permissions = $4, slow_mode_s = $5, shows_history = $6,
                  signs_posts = $7
WHERE chat_id = $1

-- name: become_broadcast
-- Once in the life of a chat, and of few rows; in order, as positions are written.
WITH chat AS (
    UPDATE chats SET is_broadcast = true WHERE chat_id = $1
), locked AS MATERIALIZED (
    SELECT user_id FROM members WHERE chat_id = $1 ORDER BY user_id FOR NO KEY UPDATE
)
UPDATE members AS m SET is_broadcast = true
FROM locked WHERE m.chat_id = $1 AND m.user_id = locked.user_id
