-- Whatever decides about a number (a start, a wrong try) first takes the number's lock, then the
-- challenge's row: limits that span several challenges are counted by one at a time. A right code
-- takes the row only, and nothing if a try was counted since it was compared.

-- name: lock_phone_of
SELECT pg_advisory_xact_lock(hashtextextended(encode(phone_hash, 'hex'), 0))
FROM challenges WHERE challenge_id = $1

-- name: start
-- All that came together, each of another number. They come sorted by it, so that two batches take
-- the locks of their numbers in one order.
WITH asked AS MATERIALIZED (
    SELECT d.*, a.* FROM unnest(
        $1::text[], $2::bytea[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::int[],
        $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::int[], $14::boolean[],
        $15::boolean[]
    ) AS d (challenge_id, phone_hash, phone_encrypted, device_key, device_name, platform, locale, key_epoch,
            created_at, client, app_hash, operator, source, is_inbound_only, text_at_once),
    LATERAL may_start_challenge(
        d.phone_hash, d.device_key, d.created_at, $16, $17, $18, $19::int[], $20::interval[],
        $21::int[], $22::interval[]
    ) AS a
), put AS (
    INSERT INTO challenges (challenge_id, phone_hash, phone_encrypted, device_key, device_name,
                            platform, locale, key_epoch, created_at, client, app_hash, operator, source,
                            is_inbound_only, text_at_once)
    SELECT challenge_id, phone_hash, phone_encrypted, device_key, device_name, platform, locale,
        key_epoch, created_at, client, app_hash, operator, source, is_inbound_only, text_at_once
    FROM asked WHERE answer = 'new'
)
SELECT challenge_id, answer, known, at FROM asked

-- name: find
SELECT c.*, s.ats, s.channels, s.outcomes, s.providers
FROM challenges AS c, LATERAL (
    SELECT array_agg(began_at ORDER BY number) AS ats, array_agg(channel ORDER BY number) AS channels,
        array_agg(outcome ORDER BY number) AS outcomes,
        array_agg(provider ORDER BY number) AS providers
    FROM sends WHERE sends.challenge_id = c.challenge_id
) AS s
WHERE c.challenge_id = ANY ($1::text[])

-- name: find_bare
-- What a code is compared with. No lock: `admit_newcomers` and `lock` find out what changed since.
SELECT * FROM challenges WHERE challenge_id = ANY ($1::text[])

-- name: lock
SELECT * FROM challenges WHERE challenge_id = $1 FOR NO KEY UPDATE

-- name: wrong_tries_of_phone
SELECT coalesce((
    SELECT sum(wrong_tries) FROM challenges WHERE phone_hash = $1 AND wrong_at > $2::timestamptz - rule.per
), 0) AS wrong
FROM unnest($3::interval[]) WITH ORDINALITY AS rule (per, place) ORDER BY place

-- name: add_wrong_try
UPDATE challenges SET wrong_tries = wrong_tries + 1, wrong_at = $2, version = version + 1
WHERE challenge_id = $1

-- name: accept
UPDATE challenges
SET code_accepted_at = coalesce(code_accepted_at, $2), accepted_by = coalesce(accepted_by, $3),
    news_at = $2, version = version + 1
WHERE challenge_id = $1

-- name: finish
UPDATE challenges
SET device_id = $2, is_new = $3, code_accepted_at = $4, accepted_by = coalesce(accepted_by, $5),
    news_at = $4, version = version + 1
WHERE challenge_id = $1

-- name: admit_newcomers
-- The whole of right codes for new numbers, each of another number. Nothing happens, and no row comes
-- back, for one where a try was counted or the challenge finished since it was read, if there is an
-- account already, or if another challenge of the number has wrong tries: those cases take the locks.
WITH asked AS (
    SELECT * FROM unnest(
        $1::text[], $2::int[], $3::text[], $4::timestamptz[], $5::bytea[], $6::timestamptz[]
    ) AS a (challenge_id, wrong_tries, name, at, token_hash, token_ends_at)
), held AS (
    SELECT c.challenge_id, c.phone_hash, c.phone_encrypted, c.device_name, c.platform, c.device_key,
        a.name, a.at, a.token_hash, a.token_ends_at
    FROM asked AS a JOIN challenges AS c USING (challenge_id)
    WHERE c.wrong_tries = a.wrong_tries AND c.device_id IS NULL AND c.cancelled_at IS NULL
        AND c.refused_at IS NULL
        AND NOT EXISTS (SELECT FROM users AS u WHERE u.phone_hash = c.phone_hash)
        AND NOT EXISTS (
            SELECT FROM challenges AS o
            WHERE o.phone_hash = c.phone_hash AND o.challenge_id <> c.challenge_id AND o.wrong_tries > 0
        )
    FOR NO KEY UPDATE OF c
), person AS (
    INSERT INTO users (phone_hash, phone_encrypted, name, created_at)
    SELECT phone_hash, phone_encrypted, name, at FROM held
    ON CONFLICT (phone_hash) DO NOTHING
    RETURNING user_id, phone_hash, name, phone_encrypted, created_at
), device AS (
    INSERT INTO devices (user_id, name, platform, public_key, created_at, last_seen_at)
    SELECT person.user_id, held.device_name, held.platform, held.device_key, held.at, held.at
    FROM person JOIN held USING (phone_hash)
    RETURNING device_id, user_id
), arrived AS (
    SELECT held.challenge_id, held.at, held.token_hash, held.token_ends_at, person.user_id, person.name,
        person.phone_encrypted, person.created_at, device.device_id
    FROM device JOIN person USING (user_id) JOIN held USING (phone_hash)
), token AS (
    INSERT INTO refresh_tokens (token_hash, device_id, issued_at, expires_at)
    SELECT token_hash, device_id, at, token_ends_at FROM arrived
), finished AS (
    UPDATE challenges AS c
    SET device_id = arrived.device_id, is_new = true,
        code_accepted_at = coalesce(c.code_accepted_at, arrived.at),
        accepted_by = coalesce(c.accepted_by, 'code'), news_at = arrived.at, version = c.version + 1
    FROM arrived WHERE c.challenge_id = arrived.challenge_id
)
SELECT challenge_id, user_id, name, phone_encrypted, created_at, device_id FROM arrived

-- name: want_voice
UPDATE challenges SET voice_wanted_at = $2, news_at = $2, version = version + 1
WHERE challenge_id = $1

-- name: note_seen
UPDATE challenges SET seen_at = coalesce(seen_at, $2), news_at = $2, version = version + 1
WHERE challenge_id = $1

-- name: cancel
UPDATE challenges SET cancelled_at = coalesce(cancelled_at, $2), news_at = $2, version = version + 1
WHERE challenge_id = $1 AND device_id IS NULL

-- name: waiting_of_phone
-- Those that a text from this number may accept.
SELECT challenge_id FROM challenges
WHERE phone_hash = $1 AND created_at > $2 AND device_id IS NULL AND cancelled_at IS NULL
    AND code_accepted_at IS NULL AND refused_at IS NULL
ORDER BY created_at DESC

-- name: versions
SELECT c.challenge_id FROM unnest($1::text[], $2::int[]) AS seen (challenge_id, version)
JOIN challenges AS c USING (challenge_id) WHERE c.version > seen.version
