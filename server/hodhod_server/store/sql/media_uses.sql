-- name: add
-- A file that was removed a moment ago is named by nothing. One that was looked at before anybody
-- named it has something to tell this chat, too. The lock keeps it from going, and from being looked
-- at, until the use can be seen: whoever then tells the chats that name it finds this one.
INSERT INTO media_uses (chat_id, seq, media_id, awaits)
SELECT i.chat_id, i.seq, u.media_id,
       i.awaits OR u.processing NOT IN ('waiting', 'done') OR u.processing = 'done' AND (
           u.width IS NOT NULL OR u.duration_ms IS NOT NULL
       )
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[]) AS i (chat_id, seq, media_id, awaits)
JOIN uploads AS u USING (media_id)
WHERE u.removed_at IS NULL
ORDER BY u.media_id
FOR SHARE OF u

-- name: chats_of
SELECT DISTINCT chat_id FROM media_uses WHERE media_id = $1 AND (awaits OR NOT $2) ORDER BY chat_id

-- name: settle
-- Nobody in this chat waits for the file any more.
UPDATE media_uses SET awaits = false WHERE media_id = $1 AND chat_id = $2 AND awaits RETURNING seq

-- name: find_owed
-- Files that are whole, and of which a chat has not been told: the process that was to tell died.
SELECT DISTINCT uses.media_id FROM media_uses AS uses JOIN uploads AS u USING (media_id)
WHERE uses.awaits AND u.finished_at IS NOT NULL AND u.removed_at IS NULL
LIMIT $1

-- name: hold_chat
-- For a notice of ours: who hears of it, and in whose name it is.
SELECT c.is_broadcast, c.kind = 'channel' AND NOT coalesce(g.signs_posts, true) AS hides_sender
FROM chats AS c LEFT JOIN groups AS g USING (chat_id)
WHERE c.chat_id = $1
FOR NO KEY UPDATE OF c
