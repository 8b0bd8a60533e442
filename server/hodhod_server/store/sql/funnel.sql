-- What became of codes, for operators. A cohort: the challenges begun since $1 with all their
-- hand-offs; and hand-offs since then whose challenge is kept no longer, which are counted and named.

-- name: asked
-- Per operator of the number.
SELECT operator AS name, count(*) AS asked,
    count(*) FILTER (WHERE handoffs = '{}' AND sent_at IS NULL) AS untried,
    count(*) FILTER (WHERE accepted_by = 'code') AS verified,
    count(*) FILTER (WHERE accepted_by <> 'code') AS verified_otherwise,
    count(*) FILTER (WHERE cancelled_at IS NOT NULL AND device_id IS NULL) AS cancelled
FROM challenges WHERE created_at >= $1 GROUP BY operator

-- name: carried
-- Per name ($2 says of what; 'all': one row). A code that was typed, and a text that was seen, is
-- counted for the newest text before it: once. The time is from the name's own first to this person.
WITH sent AS (
    SELECT s.*, c.challenge_id IS NOT NULL AS is_kept, c.seen_at,
        CASE WHEN c.accepted_by = 'code' THEN c.code_accepted_at END AS verified_at,
        s.outcome IN ('accepted', 'ambiguous') AS is_taken,
        CASE $2::text WHEN 'provider' THEN s.provider WHEN 'operator' THEN s.operator
            WHEN 'channel' THEN s.channel WHEN 'kind' THEN s.kind ELSE '' END AS name
    FROM sends AS s LEFT JOIN challenges AS c USING (challenge_id)
    WHERE s.began_at >= $1 AND (c.challenge_id IS NULL OR c.created_at >= $1)
), ordered AS (
    SELECT *,
        is_taken AND number = max(number) FILTER (WHERE is_taken AND began_at <= verified_at)
            OVER (PARTITION BY challenge_id) AS is_typed,
        is_taken AND number = max(number) FILTER (WHERE is_taken AND began_at <= seen_at)
            OVER (PARTITION BY challenge_id) AS is_seen,
        extract(epoch FROM verified_at - min(began_at) FILTER (WHERE is_taken)
            OVER (PARTITION BY challenge_id, name)) AS verified_s
    FROM sent
)
SELECT name,
    count(*) AS handed_over,
    count(DISTINCT challenge_id) FILTER (WHERE is_kept) AS people,
    count(*) FILTER (WHERE is_taken) AS taken,
    count(*) FILTER (WHERE outcome IS NULL) AS unanswered,
    count(*) FILTER (WHERE is_taken AND receipt = 'delivered') AS delivered,
    count(*) FILTER (WHERE is_taken AND receipt IN ('undelivered', 'blacklisted', 'expired')) AS undelivered,
    count(*) FILTER (WHERE is_taken AND (receipt IS NULL OR receipt = 'unknown')) AS without_receipt,
    count(*) FILTER (WHERE is_taken AND NOT is_kept) AS forgotten,
    count(*) FILTER (WHERE is_seen) AS seen,
    count(*) FILTER (WHERE is_typed) AS verified,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY verified_s) FILTER (WHERE is_typed) AS p50_s,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY verified_s) FILTER (WHERE is_typed) AS p95_s,
    sum(cost) FILTER (WHERE is_taken)::bigint AS cost,
    count(*) FILTER (WHERE is_taken AND cost IS NULL) AS without_cost
FROM ordered GROUP BY name ORDER BY name

-- name: story
-- Every hand-off of one challenge, as it is told to an operator.
SELECT number, provider, channel, kind, generation, operator, reason, began_at, outcome, answer,
    answered_at, cost, receipt, receipt_at
FROM sends WHERE challenge_id = $1 ORDER BY number

-- name: told
-- What the dispatcher has left for others, and when.
SELECT written_at, outlook, snapshot FROM dispatch
