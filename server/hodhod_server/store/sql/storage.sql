-- name: hold_total
-- One after the other, where everybody's bytes have a limit: otherwise two would both fit.
SELECT pg_advisory_xact_lock(720510)

-- name: used_by
-- The row is ours until the end of the transaction: the upload just counted locked it.
SELECT coalesce((SELECT bytes FROM media_totals WHERE user_id = $1), 0)

-- name: used
SELECT coalesce(sum(bytes), 0)::bigint FROM media_totals WHERE user_id < 0

-- name: find_known
-- A file of this content that this person may see: their own, or one in a message they may read.
-- The row cannot be removed before the transaction ends.
SELECT u.* FROM uploads AS u
WHERE u.sha256 = $1 AND u.length_bytes = $2
  AND u.finished_at IS NOT NULL AND u.removed_at IS NULL AND NOT u.is_partial
  AND (u.user_id = $3 OR EXISTS (
      SELECT FROM media_uses AS used
      JOIN members AS m ON m.chat_id = used.chat_id AND m.user_id = $3 AND used.seq >= m.first_seq
      WHERE used.media_id = u.media_id
  ))
LIMIT 1 FOR SHARE OF u

-- name: insert_known
INSERT INTO uploads (media_id, user_id, length_bytes, offset_bytes, name, content_type, metadata,
                     created_at, expires_at, finished_at, blob_key, sha256)
VALUES ($1, $2, $3, $3, $4, $5, '', $6, $6, $6, $7, $8)
RETURNING *

-- name: is_shared
-- Does a file that stays have the same bytes? Asked after this one was marked as removed: from then
-- on nobody can make another of it.
SELECT EXISTS (
    SELECT FROM uploads AS mine JOIN uploads AS other USING (blob_key)
    WHERE mine.media_id = $1 AND other.media_id <> $1 AND other.removed_at IS NULL
)

-- name: find_blob_key
SELECT blob_key FROM uploads WHERE media_id = $1

-- name: hold_unused
-- Files that were finished long ago and are in no message. Whoever names one now waits.
SELECT u.media_id FROM uploads AS u
WHERE u.finished_at <= $1 AND u.removed_at IS NULL AND NOT u.is_partial AND u.uses_known
  AND NOT EXISTS (SELECT FROM media_uses AS used WHERE used.media_id = u.media_id)
ORDER BY u.finished_at LIMIT $2
FOR UPDATE SKIP LOCKED

-- name: mark_unused
-- Of those that are held. A statement of its own: it sees the messages that were written between the
-- first look and the lock.
UPDATE uploads AS u SET removed_at = $2
WHERE u.media_id = ANY ($1::text[])
  AND NOT EXISTS (SELECT FROM media_uses AS used WHERE used.media_id = u.media_id)
RETURNING u.media_id

-- name: named
SELECT DISTINCT blob_key FROM named_blobs WHERE blob_key = ANY ($1::text[])

-- name: unfinished
-- Which of these blobs are still being made.
SELECT DISTINCT blob_key FROM uploads
WHERE blob_key = ANY ($1::text[]) AND finished_at IS NULL AND removed_at IS NULL
UNION SELECT blob_key FROM media_objects
WHERE blob_key = ANY ($1::text[]) AND ready_at IS NULL AND name <> 'old'

-- name: find_to_scrub
SELECT * FROM uploads
WHERE finished_at IS NOT NULL AND removed_at IS NULL AND (scrubbed_at IS NULL OR scrubbed_at < $1)
ORDER BY scrubbed_at NULLS FIRST, media_id LIMIT $2

-- name: note_scrubbed
UPDATE uploads SET scrubbed_at = $2 WHERE media_id = $1
