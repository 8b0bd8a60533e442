-- name: hold
-- Which of these files are still there; none of them goes, or is looked at, until the messages that
-- name them can be seen: whoever then tells the chats that name one finds all of them. In order, so
-- that no two writers wait for one another.
SELECT media_id FROM uploads WHERE media_id = ANY ($1::text[]) AND removed_at IS NULL
ORDER BY media_id
FOR SHARE

-- name: add
-- The files are held. One that was looked at before anybody named it has something to tell this
-- chat, too.
INSERT INTO media_uses (chat_id, seq, media_id, awaits)
SELECT i.chat_id, i.seq, u.media_id,
       i.awaits OR u.processing NOT IN ('waiting', 'done') OR u.processing = 'done' AND (
           u.width IS NOT NULL OR u.duration_ms IS NOT NULL
       )
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[]) AS i (chat_id, seq, media_id, awaits)
JOIN uploads AS u USING (media_id)

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
