-- name: append
-- The hot path: many messages, one statement, one commit. $1..$4 chat, sender, client_id and body of
-- each message; $5 its rank within its chat in this batch; $6, $7 the distinct chats in order and how
-- many messages each gets; $8 the time. The chats' rows are locked in order of id, so two gateways
-- never deadlock, and stay locked until COMMIT, so seq has neither gaps nor ties.
-- A chat that does not exist returns no row: its messages are not written.
WITH counted AS (
    SELECT chat_id, n FROM unnest($6::bigint[], $7::int[]) AS t (chat_id, n)
), locked AS MATERIALIZED (
    SELECT c.chat_id, counted.n FROM counted JOIN chats AS c USING (chat_id)
    ORDER BY c.chat_id FOR NO KEY UPDATE OF c
), advanced AS (
    UPDATE chats AS c SET last_seq = c.last_seq + locked.n, last_at = $8
    FROM locked WHERE c.chat_id = locked.chat_id
    RETURNING c.chat_id, c.last_seq - locked.n AS base
), inserted AS (
    INSERT INTO messages (chat_id, seq, sender_id, client_id, sent_at, body)
    SELECT i.chat_id, advanced.base + i.rank, i.sender_id, i.client_id, $8, i.body
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::int[])
        AS i (chat_id, sender_id, client_id, body, rank)
    JOIN advanced USING (chat_id)
)
SELECT chat_id, base FROM advanced

-- name: find_by_client_ids
-- What earlier sends of the same messages became.
SELECT m.sender_id, m.client_id, m.chat_id, m.seq, m.sent_at
FROM unnest($1::bigint[], $2::bigint[]) AS i (sender_id, client_id)
JOIN messages AS m USING (sender_id, client_id)

-- name: page_after
SELECT chat_id, seq, sender_id, client_id, sent_at, body
FROM messages WHERE chat_id = $1 AND seq > $2
ORDER BY seq LIMIT $3

-- name: page_before
SELECT chat_id, seq, sender_id, client_id, sent_at, body
FROM messages WHERE chat_id = $1 AND seq < $2
ORDER BY seq DESC LIMIT $3

-- name: missed
-- For each chat, the first events after a seq: one round trip for a whole page of a sync.
SELECT e.chat_id, e.seq, e.sender_id, e.client_id, e.sent_at, e.body
FROM unnest($1::bigint[], $2::bigint[], $3::int[]) AS w (chat_id, after_seq, at_most)
CROSS JOIN LATERAL (
    SELECT * FROM messages AS m
    WHERE m.chat_id = w.chat_id AND m.seq > w.after_seq
    ORDER BY m.seq LIMIT w.at_most
) AS e
ORDER BY e.chat_id, e.seq

-- name: find
SELECT chat_id, seq, sender_id, client_id, sent_at, body
FROM messages WHERE chat_id = $1 AND seq = $2
