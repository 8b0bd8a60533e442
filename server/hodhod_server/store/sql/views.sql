-- name: add
-- One more view of each event that a reader moved past, but for the reader's own. Rows are written in
-- order, so that two gateways cannot deadlock.
INSERT INTO post_views AS v (chat_id, seq, views)
SELECT m.chat_id, m.seq, count(*)
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS w (chat_id, user_id, after_seq, seq)
JOIN messages AS m ON m.chat_id = w.chat_id AND m.seq > w.after_seq AND m.seq <= w.seq
WHERE m.sender_id <> w.user_id
GROUP BY m.chat_id, m.seq
ORDER BY m.chat_id, m.seq
ON CONFLICT (chat_id, seq) DO UPDATE SET views = v.views + excluded.views

-- name: between
SELECT seq, views FROM post_views WHERE chat_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq
