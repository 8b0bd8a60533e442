-- name: find_chats
-- What of chats decides about their messages. A broadcast chat's members are never listed.
SELECT c.chat_id, c.kind, c.version, c.is_broadcast, g.permissions, g.slow_mode_s, g.signs_posts,
       CASE WHEN c.is_broadcast THEN NULL ELSE ARRAY(
           SELECT m.user_id FROM members AS m WHERE m.chat_id = c.chat_id ORDER BY m.user_id
       ) END AS user_ids
FROM unnest($1::bigint[]) AS w (chat_id)
JOIN chats AS c USING (chat_id)
LEFT JOIN groups AS g USING (chat_id)

-- name: find_memberships
SELECT m.chat_id, m.user_id, c.version, m.role, m.permissions, m.promoted_by, m.muted_until, m.first_seq
FROM unnest($1::bigint[], $2::bigint[]) AS w (chat_id, user_id)
JOIN members AS m USING (chat_id, user_id)
JOIN chats AS c USING (chat_id)

-- name: broadcast_chats_of
SELECT m.user_id, m.chat_id FROM members AS m
WHERE m.user_id = ANY ($1::bigint[]) AND m.is_broadcast

-- name: sees
-- Is the person in the chat, and the message there and not before what they are shown?
SELECT EXISTS (
    SELECT FROM members AS m JOIN messages AS e ON e.chat_id = m.chat_id AND e.seq = $3
    WHERE m.chat_id = $2 AND m.user_id = $1 AND m.first_seq <= $3
)
