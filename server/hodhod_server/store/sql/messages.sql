-- name: append
-- The hot path: many messages, one statement, one commit. $1..$4 chat, sender, client_id and body of
-- each message; $5 its rank within its chat in this batch; $6, $7 the distinct chats in order and how
-- many messages each gets; $8 the time; $9 the version that each chat must have; $10 whether a
-- message hides its sender. The chats' rows are locked in order of id, so two gateways never
-- deadlock, and stay locked until COMMIT, so seq has neither gaps nor ties. `last_at` is for
-- `chats.changed_pages_of` and by the database's clock, as everything is that it compares.
-- A chat that does not exist or has another version returns no row: its messages are not written.
-- Lists of numbers come as text, `{1,2}`: see `messages.array_text`.
WITH counted AS (
    SELECT chat_id, n, version FROM unnest($6::text::bigint[], $7::text::int[], $9::text::bigint[])
         AS t (chat_id, n, version)
), locked AS MATERIALIZED (
    SELECT c.chat_id, counted.n, counted.version FROM counted JOIN chats AS c USING (chat_id)
    ORDER BY c.chat_id FOR NO KEY UPDATE OF c
), advanced AS (
    UPDATE chats AS c SET last_seq = c.last_seq + locked.n, last_at = now()
    FROM locked WHERE c.chat_id = locked.chat_id AND c.version = locked.version
    RETURNING c.chat_id, c.last_seq - locked.n AS base
), inserted AS (
    INSERT INTO messages (chat_id, seq, sender_id, client_id, sent_at, body, hides_sender)
    SELECT i.chat_id, advanced.base + i.rank, i.sender_id, i.client_id, $8, i.body, i.hides_sender
    FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::bytea[],
                $5::text::int[], $10::text::boolean[])
        AS i (chat_id, sender_id, client_id, body, rank, hides_sender)
    JOIN advanced USING (chat_id)
)
SELECT chat_id, base FROM advanced

-- name: lock_chats
-- In the order in which `append` locks them.
SELECT FROM chats WHERE chat_id = ANY ($1::bigint[]) ORDER BY chat_id FOR NO KEY UPDATE

-- name: append_notice
-- What the server writes itself, in the transaction that changed the chat and holds its row.
WITH advanced AS (
    UPDATE chats SET last_seq = last_seq + 1, last_at = now() WHERE chat_id = $1 RETURNING last_seq
)
INSERT INTO messages (chat_id, seq, sender_id, client_id, sent_at, body, hides_sender)
SELECT $1, last_seq, $2, $3, $5, $4, $6 FROM advanced
RETURNING seq

-- name: find_by_client_ids
-- What earlier sends of the same messages became.
SELECT m.sender_id, m.client_id, m.chat_id, m.seq, m.sent_at, m.body, m.hides_sender, c.version
FROM unnest($1::bigint[], $2::bigint[]) AS i (sender_id, client_id)
JOIN messages AS m USING (sender_id, client_id)
JOIN chats AS c USING (chat_id)

-- name: page_after
-- Nobody is shown who wrote in the chat's name: the sender is 0, here and in all that follows.
SELECT chat_id, seq, CASE WHEN hides_sender THEN 0 ELSE sender_id END AS sender_id,
       client_id, sent_at, body
FROM messages WHERE chat_id = $1 AND seq > $2
ORDER BY seq LIMIT $3

-- name: page_before
SELECT chat_id, seq, CASE WHEN hides_sender THEN 0 ELSE sender_id END AS sender_id,
       client_id, sent_at, body
FROM messages WHERE chat_id = $1 AND seq < $2 AND seq >= $4
ORDER BY seq DESC LIMIT $3

-- name: missed
-- Of each place ($1 chat, $2 seq), the first $3 events after it: one round trip for several syncs.
SELECT w.place, e.chat_id, e.seq, CASE WHEN e.hides_sender THEN 0 ELSE e.sender_id END AS sender_id,
       e.client_id, e.sent_at, e.body
FROM unnest($1::bigint[], $2::bigint[], $3::int[]) WITH ORDINALITY
    AS w (chat_id, after_seq, at_most, place)
CROSS JOIN LATERAL (
    SELECT * FROM messages AS m
    WHERE m.chat_id = w.chat_id AND m.seq > w.after_seq
    ORDER BY m.seq LIMIT w.at_most
) AS e
ORDER BY w.place, e.seq

-- name: find
SELECT chat_id, seq, CASE WHEN hides_sender THEN 0 ELSE sender_id END AS sender_id,
       client_id, sent_at, body
FROM messages WHERE chat_id = $1 AND seq = $2
