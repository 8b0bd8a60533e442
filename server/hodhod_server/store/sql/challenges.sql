-- Whatever decides about a number (a start, a send, a try) first takes the number's lock, then the
-- challenge's row: limits that span several challenges are counted by one at a time.

-- name: lock_phone
SELECT pg_advisory_xact_lock(hashtextextended(encode($1::bytea, 'hex'), 0))

-- name: lock_phone_of
SELECT pg_advisory_xact_lock(hashtextextended(encode(phone_hash, 'hex'), 0))
FROM challenges WHERE challenge_id = $1

-- name: find
SELECT * FROM challenges WHERE challenge_id = $1

-- name: lock
SELECT * FROM challenges WHERE challenge_id = $1 FOR NO KEY UPDATE

-- name: find_newest
SELECT * FROM challenges WHERE phone_hash = $1 AND device_key = $2
ORDER BY created_at DESC LIMIT 1

-- name: insert
-- Born with its first hand-off under way.
INSERT INTO challenges (challenge_id, phone_hash, phone_encrypted, device_key, device_name, platform,
                        locale, key_epoch, created_at, handoffs, handing_over_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, ARRAY[$9::timestamptz], $9)
RETURNING *

-- name: begin_handoff
UPDATE challenges SET handoffs = handoffs || $2::timestamptz, handing_over_at = $2
WHERE challenge_id = $1
RETURNING *

-- name: record_handoff
-- Another hand-off may have begun since, if this one took very long: that one's mark stays.
UPDATE challenges SET sent_at = greatest(sent_at, $2), handing_over_at = nullif(handing_over_at, $2)
WHERE challenge_id = $1
RETURNING *

-- name: withdraw_handoff
UPDATE challenges
SET handoffs = array_remove(handoffs, $2), handing_over_at = nullif(handing_over_at, $2)
WHERE challenge_id = $1

-- name: handoffs_of_phone
SELECT handoff FROM challenges, unnest(handoffs) AS handoff
WHERE phone_hash = $1 AND handoff > $2 ORDER BY handoff

-- name: wrong_tries_of_phone
SELECT coalesce(sum(wrong_tries), 0) FROM challenges WHERE phone_hash = $1 AND wrong_at > $2

-- name: add_wrong_try
UPDATE challenges SET wrong_tries = wrong_tries + 1, wrong_at = $2 WHERE challenge_id = $1

-- name: accept
UPDATE challenges SET code_accepted_at = coalesce(code_accepted_at, $2) WHERE challenge_id = $1

-- name: finish
UPDATE challenges SET device_id = $2, is_new = $3, code_accepted_at = $4 WHERE challenge_id = $1
