-- name: lock_pair
-- Two people opening their chat at the same moment wait for each other; without it both would make one.
SELECT pg_advisory_xact_lock(hashtextextended('private_chat:' || $1::bigint || ':' || $2::bigint, 0))

-- name: find_private
SELECT chat_id FROM private_chats WHERE first_user_id = $1 AND second_user_id = $2

-- name: insert_private
-- One statement for all three rows; a chat with oneself has one member.
WITH chat AS (
    INSERT INTO chats (kind, created_at) VALUES ('private', $3) RETURNING chat_id
), pair AS (
    INSERT INTO private_chats (first_user_id, second_user_id, chat_id)
    SELECT $1, $2, chat_id FROM chat
), people AS (
    INSERT INTO members (chat_id, user_id)
    SELECT chat_id, user_id FROM chat, (SELECT $1::bigint UNION SELECT $2::bigint) AS p (user_id)
)
SELECT chat_id FROM chat

-- name: pages_of
-- Pages of several people's chats at once: of each ($1) the first $4 with ids in ($2, $3], oldest id
-- first, in the order in which they were asked for.
SELECT w.page, m.user_id, c.chat_id, c.kind, c.last_seq, c.is_broadcast, g.title, g.about,
       g.member_count, g.permissions AS default_permissions, g.slow_mode_s, g.shows_history,
       g.signs_posts, m.role, m.permissions, m.muted_until, m.first_seq, m.delivered_seq, m.read_seq
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY
    AS w (user_id, after_id, until_id, page)
CROSS JOIN LATERAL (
    SELECT * FROM members AS m
    WHERE m.user_id = w.user_id AND m.chat_id > w.after_id AND m.chat_id <= w.until_id
    ORDER BY m.chat_id LIMIT $4
) AS m
JOIN chats AS c USING (chat_id) LEFT JOIN groups AS g USING (chat_id)
ORDER BY w.page, c.chat_id

-- name: changed_pages_of
-- As `pages_of`, of the chats in which something changed since $4. At most $6 chats of each person
-- are looked at, and the last of so many is always among those found: the next page begins there.
-- OFFSET 0: one by one and in order, until $5 are found, however many the planner expects.
SELECT w.page, found.*
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[]) WITH ORDINALITY
    AS w (user_id, after_id, until_id, since, page)
CROSS JOIN LATERAL (
    SELECT m.looked_at, m.user_id, c.chat_id, c.kind, c.last_seq, c.is_broadcast, g.title, g.about,
           g.member_count, g.permissions AS default_permissions, g.slow_mode_s, g.shows_history,
           g.signs_posts, m.role, m.permissions, m.muted_until, m.first_seq, m.delivered_seq, m.read_seq
    FROM (
        SELECT *, row_number() OVER (ORDER BY chat_id) AS looked_at FROM members
        WHERE user_id = w.user_id AND chat_id > w.after_id AND chat_id <= w.until_id
        ORDER BY chat_id LIMIT $6
    ) AS m
    CROSS JOIN LATERAL (SELECT * FROM chats WHERE chats.chat_id = m.chat_id OFFSET 0) AS c
    LEFT JOIN LATERAL (
        SELECT * FROM groups WHERE groups.chat_id = m.chat_id AND c.kind <> 'private' OFFSET 0
    ) AS g ON true
    WHERE m.looked_at = $6 OR m.changed_at >= w.since OR c.last_at >= w.since
       OR g.changed_at >= w.since
       OR c.kind = 'private' AND EXISTS (
           SELECT FROM members AS o WHERE o.chat_id = m.chat_id AND o.changed_at >= w.since OFFSET 0
       )
    ORDER BY m.chat_id LIMIT $5
) AS found
ORDER BY w.page, found.chat_id

-- name: read_clock
SELECT clock_timestamp()

-- name: seen_by
-- One chat as several of its members see it.
SELECT m.user_id, c.chat_id, c.kind, c.last_seq, c.is_broadcast, g.title, g.about, g.member_count,
       g.permissions AS default_permissions, g.slow_mode_s, g.shows_history, g.signs_posts,
       m.role, m.permissions, m.muted_until, m.first_seq, m.delivered_seq, m.read_seq
FROM members AS m JOIN chats AS c USING (chat_id) LEFT JOIN groups AS g USING (chat_id)
WHERE m.chat_id = $1 AND m.user_id = ANY ($2::bigint[])

-- name: members_of
SELECT m.chat_id, m.user_id, u.name, m.delivered_seq, m.read_seq
FROM members AS m JOIN users AS u USING (user_id)
WHERE m.chat_id = ANY ($1::bigint[])
ORDER BY m.chat_id, m.user_id

-- name: advance_positions
-- Many members' positions at once. Never backwards, never beyond the log, and read implies delivered.
-- Rows are locked in order, so that two gateways cannot deadlock.
WITH wanted AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
        AS w (chat_id, user_id, delivered_seq, read_seq)
), locked AS MATERIALIZED (
    SELECT m.chat_id, m.user_id, c.last_seq, w.delivered_seq, w.read_seq, m.read_seq AS read_before
    FROM wanted AS w
    JOIN members AS m USING (chat_id, user_id)
    JOIN chats AS c USING (chat_id)
    ORDER BY m.chat_id, m.user_id
    FOR NO KEY UPDATE OF m
)
UPDATE members AS m
SET delivered_seq = greatest(m.delivered_seq, least(greatest(l.delivered_seq, l.read_seq), l.last_seq)),
    read_seq = greatest(m.read_seq, least(l.read_seq, l.last_seq))
FROM locked AS l
WHERE m.chat_id = l.chat_id AND m.user_id = l.user_id
  AND (m.delivered_seq < least(greatest(l.delivered_seq, l.read_seq), l.last_seq)
       OR m.read_seq < least(l.read_seq, l.last_seq))
RETURNING m.chat_id, m.user_id, m.delivered_seq, m.read_seq, l.read_before
