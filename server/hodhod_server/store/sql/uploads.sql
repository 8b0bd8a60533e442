-- name: insert
-- No row comes back where the person has begun too many already.
INSERT INTO uploads (media_id, user_id, length_bytes, name, content_type, metadata, created_at, expires_at,
                     is_partial, concat, parts)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $10, $11, $12
WHERE (
    SELECT count(*) FROM uploads
    WHERE user_id = $2 AND (finished_at IS NULL OR is_partial) AND removed_at IS NULL
) < $9
RETURNING *

-- name: find
SELECT * FROM uploads WHERE media_id = $1 AND user_id = $2 AND removed_at IS NULL

-- name: begin_writing
-- From here on no earlier writer moves the offset, even one whose statement is still on its way.
UPDATE uploads SET writer_epoch = writer_epoch + 1
WHERE media_id = $1 AND user_id = $2 AND removed_at IS NULL
RETURNING *

-- name: ask
-- Whoever writes now is asked to let go; see `services/upload_handover.py`.
UPDATE uploads SET asked_epoch = writer_epoch WHERE media_id = $1 AND asked_epoch < writer_epoch

-- name: find_asked
-- Which of these writers are to stop: asked, shut out, or of an upload that is no more.
SELECT u.media_id FROM unnest($1::text[], $2::bigint[]) AS held (media_id, epoch)
JOIN uploads AS u USING (media_id)
WHERE u.asked_epoch >= held.epoch OR u.writer_epoch > held.epoch OR u.removed_at IS NOT NULL

-- name: declare_length
-- A client that did not know the length does now. It is told once.
UPDATE uploads SET length_bytes = $3
WHERE media_id = $1 AND writer_epoch = $2 AND length_bytes IS NULL AND offset_bytes <= $3
RETURNING *

-- name: find_parts
SELECT * FROM uploads
WHERE media_id = ANY ($1::text[]) AND user_id = $2 AND is_partial AND removed_at IS NULL

-- name: find_final
-- What these parts became already: the answer was lost, and the client asks again.
SELECT * FROM uploads
WHERE parts[1] = ($1::text[])[1] AND parts = $1 AND user_id = $2 AND finished_at IS NOT NULL AND removed_at IS NULL
ORDER BY created_at LIMIT 1

-- name: advance
-- The bytes are durable already. The last of them and the end of the upload are one change.
UPDATE uploads
SET offset_bytes = $3, expires_at = $4, finished_at = CASE WHEN $3 = length_bytes THEN $5::timestamptz END
WHERE media_id = $1 AND writer_epoch = $2 AND offset_bytes <= $3
  AND finished_at IS NULL AND removed_at IS NULL
RETURNING *

-- name: come_further
-- Of uploads under way; their last byte is for `advance`. Held in order, as messages that name them do.
WITH ways AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w (media_id, epoch, durable_bytes)
), held AS (
    SELECT media_id FROM uploads WHERE media_id = ANY ($1::text[]) ORDER BY media_id FOR NO KEY UPDATE
)
UPDATE uploads AS u SET offset_bytes = w.durable_bytes, expires_at = $4
FROM ways AS w JOIN held USING (media_id)
WHERE u.media_id = w.media_id AND u.writer_epoch = w.epoch AND u.offset_bytes < w.durable_bytes
  AND u.length_bytes IS DISTINCT FROM w.durable_bytes AND u.finished_at IS NULL AND u.removed_at IS NULL

-- name: mark_removed
UPDATE uploads SET removed_at = $3 WHERE media_id = $1 AND user_id = $2 AND removed_at IS NULL

-- name: claim_expired
-- What nobody came back for, and what was marked long ago and whose bytes may still be there because
-- the process that removed them died. Marked: no writer moves it any more, no other sweep takes it.
UPDATE uploads SET removed_at = $1
WHERE media_id = ANY (ARRAY(
    SELECT media_id FROM uploads
    WHERE ((finished_at IS NULL OR is_partial) AND removed_at IS NULL AND expires_at <= $1)
        OR removed_at <= $2
    ORDER BY expires_at LIMIT $3
    FOR UPDATE SKIP LOCKED
))
RETURNING media_id

-- name: find_removed
SELECT * FROM uploads WHERE media_id = $1 AND removed_at IS NOT NULL

-- name: delete
DELETE FROM uploads WHERE media_id = $1 AND removed_at IS NOT NULL

-- name: find_finished
SELECT * FROM uploads
WHERE media_id = $1 AND user_id = $2 AND finished_at IS NOT NULL AND removed_at IS NULL AND NOT is_partial

-- name: find_file
-- For whom a signed link vouches: the owner does not matter.
SELECT * FROM uploads
WHERE media_id = $1 AND NOT is_partial AND finished_at IS NOT NULL AND removed_at IS NULL
