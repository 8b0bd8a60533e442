-- name: begin
-- The try counts before it begins: a file that kills whoever touches it is given up all the same.
UPDATE uploads SET processing_tries = processing_tries + 1
WHERE media_id = $1 AND processing = 'waiting' AND finished_at IS NOT NULL AND removed_at IS NULL
    AND NOT is_partial
RETURNING media_id, user_id, blob_key, length_bytes, content_type,
    processing_tries

-- name: forgive
-- What failed was ours, not the file's.
UPDATE uploads SET processing_tries = processing_tries - 1 WHERE media_id = $1 AND processing_tries > 0

-- name: settle
-- Only while it waits: of two workers that looked at it, the first settles it.
UPDATE uploads
SET processing = $2, blob_key = $3, sha256 = $4, content_type = $5, width = $6, height = $7,
    duration_ms = $8, blur = $9, waveform = $10, codecs = $11
WHERE media_id = $1 AND processing = 'waiting' AND finished_at IS NOT NULL AND removed_at IS NULL

-- name: count_of_user
SELECT count(*) FROM uploads WHERE user_id = $1 AND processing = 'waiting' AND finished_at IS NOT NULL
    AND NOT is_partial

-- name: count_waiting
SELECT count(*) FROM uploads WHERE processing = 'waiting' AND finished_at IS NOT NULL AND removed_at IS NULL
    AND NOT is_partial

-- name: find_forgotten
-- Finished long enough ago that whoever finished it would have enqueued it.
SELECT media_id, user_id FROM uploads
WHERE processing = 'waiting' AND finished_at <= $1 AND removed_at IS NULL AND NOT is_partial
ORDER BY finished_at LIMIT $2

-- name: insert_object
-- Only while the file is there; it cannot go before this is committed.
INSERT INTO media_objects (blob_key, media_id, name, created_at)
SELECT $1, media_id, $3, $4 FROM uploads WHERE media_id = $2 AND removed_at IS NULL FOR KEY SHARE

-- name: finish_object
UPDATE media_objects
SET content_type = $2, length_bytes = $3, width = $4, height = $5, duration_ms = $6, ready_at = $7
WHERE blob_key = $1 AND media_id IS NOT NULL

-- name: exchange_object
-- The new bytes belong to the file now, and go when it goes; the old ones go after the grace.
WITH kept AS (
    UPDATE media_objects SET ready_at = $3 WHERE blob_key = $1 AND media_id IS NOT NULL RETURNING media_id
)
INSERT INTO media_objects (blob_key, media_id, name, created_at) SELECT $2, media_id, 'old', $3 FROM kept
ON CONFLICT (blob_key) DO UPDATE SET created_at = excluded.created_at

-- name: find_object
SELECT blob_key, content_type, length_bytes FROM media_objects
WHERE media_id = $1 AND name = $2 AND name <> 'file' AND ready_at IS NOT NULL

-- name: find_facts
SELECT user_id AS user, processing AS state, length_bytes, content_type, width, height, duration_ms, blur,
    waveform
FROM uploads WHERE media_id = $1 AND processing <> 'waiting' AND removed_at IS NULL

-- name: objects_of
SELECT name, content_type AS type, length_bytes AS size, width, height, duration_ms FROM media_objects
WHERE media_id = $1 AND name <> 'file' AND ready_at IS NOT NULL ORDER BY name

-- name: find_abandoned
-- Bytes that a file names are not to be deleted, whoever shares them.
SELECT blob_key, EXISTS (
    SELECT FROM uploads WHERE uploads.blob_key = media_objects.blob_key
) AS is_named
FROM media_objects
WHERE (ready_at IS NULL OR media_id IS NULL) AND created_at <= $1
ORDER BY created_at LIMIT $2

-- name: delete_object
DELETE FROM media_objects WHERE blob_key = $1
