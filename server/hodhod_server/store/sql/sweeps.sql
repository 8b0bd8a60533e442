-- name: delete_challenges
-- Bounded, so that no statement holds many locks or runs long. Several workers share the work.
-- ARRAY, because a plan may run the subquery of an IN more than once, and SKIP LOCKED then gives
-- other rows each time: more than the limit.
DELETE FROM challenges WHERE challenge_id = ANY (ARRAY(
    SELECT challenge_id FROM challenges WHERE created_at < $1
    ORDER BY created_at LIMIT $2
    FOR UPDATE SKIP LOCKED
))

-- name: delete_sends
DELETE FROM sends WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM sends WHERE began_at < $1 LIMIT $2
    FOR UPDATE SKIP LOCKED
))

-- name: delete_refresh_tokens
DELETE FROM refresh_tokens WHERE token_hash = ANY (ARRAY(
    SELECT token_hash FROM refresh_tokens WHERE expires_at < $1
    ORDER BY expires_at LIMIT $2
    FOR UPDATE SKIP LOCKED
))

-- name: delete_tries
DELETE FROM tries WHERE subject = ANY (ARRAY(
    SELECT subject FROM tries WHERE ends_at < $1
    ORDER BY ends_at LIMIT $2
    FOR UPDATE SKIP LOCKED
))

-- name: delete_return_keys
DELETE FROM return_keys WHERE key_hash = ANY (ARRAY(
    SELECT key_hash FROM return_keys WHERE expires_at < $1
    ORDER BY expires_at LIMIT $2
    FOR UPDATE SKIP LOCKED
))

-- name: delete_device_links
DELETE FROM device_links WHERE link_id = ANY (ARRAY(
    SELECT link_id FROM device_links WHERE approved_at < $1
    ORDER BY approved_at LIMIT $2
    FOR UPDATE SKIP LOCKED
))

-- name: delete_job_logs
-- The queue's library keeps them for ever.
DELETE FROM pgqueuer_log
WHERE id IN (SELECT id FROM pgqueuer_log WHERE created <= $1 ORDER BY created LIMIT $2)
