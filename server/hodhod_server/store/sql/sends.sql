-- name: queued
-- In the order of coming. Who looked a while ago asks a little further back: a start that took
-- longer to commit than the next one would be overlooked for good.
SELECT * FROM challenges
WHERE handoffs = '{}' AND created_at >= $1 AND device_id IS NULL AND cancelled_at IS NULL
    AND code_accepted_at IS NULL AND NOT is_inbound_only AND refused_at IS NULL AND challenge_id <> ALL ($2::text[])
ORDER BY created_at LIMIT $3

-- name: unfinished
-- Every challenge that may still get a code.
SELECT challenge_id FROM challenges
WHERE created_at >= $1 AND device_id IS NULL AND cancelled_at IS NULL AND code_accepted_at IS NULL
    AND NOT is_inbound_only AND refused_at IS NULL
ORDER BY created_at

-- name: news
SELECT challenge_id, news_at, voice_wanted_at, seen_at, accepted_by,
    (device_id IS NOT NULL OR code_accepted_at IS NOT NULL OR cancelled_at IS NOT NULL
        OR refused_at IS NOT NULL) AS is_over
FROM challenges WHERE news_at >= $1 ORDER BY news_at

-- name: delivered
SELECT challenge_id, number, provider, receipt, receipt_at FROM sends WHERE receipt_at >= $1
ORDER BY receipt_at

-- name: begin
-- The last check and the first trace of a hand-off are one statement: who is verified, has cancelled
-- or is locked gets none, and nobody gets more than the limits say. A first one was counted when its
-- challenge started. Returned are those that have begun.
WITH wanted AS (
    SELECT * FROM unnest(
        $1::text[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[]
    ) AS w (challenge_id, number, provider, channel, kind, reason, began_at)
), begun AS (
    UPDATE challenges AS c SET handoffs = c.handoffs || w.began_at
    FROM wanted AS w
    WHERE c.challenge_id = w.challenge_id AND c.device_id IS NULL AND c.cancelled_at IS NULL
        AND c.code_accepted_at IS NULL AND c.seen_at IS NULL AND c.refused_at IS NULL AND c.wrong_tries < $8
        AND NOT EXISTS (
            SELECT FROM unnest($10::int[], $11::interval[]) AS rule (most, per)
            WHERE w.kind <> 'first' AND rule.most <= (
                SELECT count(*) FROM challenges AS o, unnest(o.handoffs) AS made (at)
                WHERE o.phone_hash = c.phone_hash AND made.at > w.began_at - rule.per
            )
        )
        AND NOT EXISTS (
            SELECT FROM unnest($12::int[], $13::interval[]) AS rule (most, per)
            WHERE w.channel = 'voice' AND rule.most <= (
                SELECT count(*) FROM challenges AS o JOIN sends AS s USING (challenge_id)
                WHERE o.phone_hash = c.phone_hash AND s.channel = 'voice'
                    AND s.began_at > w.began_at - rule.per
                    AND (s.outcome IS NULL OR s.outcome IN ('accepted', 'ambiguous'))
            )
        )
    RETURNING c.challenge_id, w.number, w.provider, w.channel, w.kind, w.reason, w.began_at,
        c.handoffs, c.operator, c.client,
        (w.began_at - c.handoffs[1] >= $9::interval)::int AS generation
), put AS (
    INSERT INTO sends (challenge_id, number, provider, channel, kind, generation, operator, client,
                       reason, began_at)
    SELECT challenge_id, number, provider, channel, kind, generation, operator, client, reason, began_at
    FROM begun
)
SELECT challenge_id, handoffs FROM begun

-- name: answer
-- What became of hand-offs. One that was refused never was: it counts against no limit. However many
-- answers a challenge has here, they are one version.
WITH told AS (
    SELECT * FROM unnest(
        $1::text[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[]
    ) AS t (challenge_id, number, outcome, answer, message_id, cost, answered_at)
), marked AS (
    UPDATE sends AS s
    SET outcome = t.outcome, answer = t.answer, message_id = t.message_id, cost = t.cost,
        answered_at = t.answered_at
    FROM told AS t WHERE s.challenge_id = t.challenge_id AND s.number = t.number
    RETURNING s.challenge_id, s.began_at, s.outcome IN ('accepted', 'ambiguous') AS is_taken
), summed AS (
    SELECT challenge_id, max(began_at) FILTER (WHERE is_taken) AS taken_at,
        array_agg(began_at) FILTER (WHERE NOT is_taken) AS refused
    FROM marked GROUP BY challenge_id
)
UPDATE challenges AS c
SET sent_at = greatest(c.sent_at, s.taken_at), version = c.version + 1,
    handoffs = CASE WHEN s.refused IS NULL THEN c.handoffs ELSE ARRAY(
        SELECT made.at FROM unnest(c.handoffs) AS made (at) WHERE made.at <> ALL (s.refused)
        ORDER BY made.at
    ) END
FROM summed AS s WHERE c.challenge_id = s.challenge_id
RETURNING c.challenge_id, c.version

-- name: abandon
-- Under way when their dispatcher died: maybe sent, as after a broken line.
WITH marked AS (
    UPDATE sends SET outcome = 'ambiguous', answer = $3, answered_at = $2
    WHERE challenge_id = ANY ($1::text[]) AND outcome IS NULL
    RETURNING challenge_id, began_at
), summed AS (SELECT challenge_id, max(began_at) AS taken_at FROM marked GROUP BY challenge_id)
UPDATE challenges AS c SET sent_at = greatest(c.sent_at, s.taken_at), version = c.version + 1
FROM summed AS s WHERE c.challenge_id = s.challenge_id

-- name: note_receipts
-- A final state is not followed by another, whatever comes later or twice.
UPDATE sends AS s SET receipt = r.state, receipt_at = $4
FROM unnest($1::text[], $2::text[], $3::text[]) AS r (provider, message_id, state)
WHERE s.provider = r.provider AND s.message_id = r.message_id
    AND (s.receipt IS NULL OR s.receipt IN ('unknown', 'queued', 'at_operator'))
RETURNING s.provider, s.operator, s.receipt

-- name: pending_receipts
-- Roughly the oldest first: that it ends early is worth more than the order.
UPDATE sends AS s SET receipt_asked_at = $3
FROM (
    SELECT challenge_id, number FROM sends
    WHERE provider = $1 AND message_id IS NOT NULL
        AND began_at BETWEEN $3::timestamptz - interval '10 minutes' AND $3::timestamptz - interval '5 seconds'
        AND (receipt IS NULL OR receipt IN ('unknown', 'queued', 'at_operator'))
        AND (receipt_asked_at IS NULL OR receipt_asked_at < $3::timestamptz - interval '30 seconds')
    LIMIT $2
) AS pending
WHERE s.challenge_id = pending.challenge_id AND s.number = pending.number
RETURNING s.message_id

-- name: write_dispatch
INSERT INTO dispatch (written_at, outlook, snapshot) VALUES ($1, $2, $3)
ON CONFLICT (is_only) DO UPDATE SET written_at = $1, outlook = $2, snapshot = $3

-- name: read_outlook
SELECT outlook FROM dispatch WHERE written_at > $1

-- name: read_snapshot
SELECT snapshot FROM dispatch
