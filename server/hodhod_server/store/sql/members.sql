-- name: add
-- Those who exist and are not in it yet. What was before they came counts as read. $7: the role.
WITH added AS (
    INSERT INTO members (chat_id, user_id, first_seq, delivered_seq, read_seq, joined_at, is_broadcast, role)
    SELECT $1, u.user_id, $3, $4, $4, $5, $6, $7 FROM users AS u WHERE u.user_id = ANY ($2::bigint[])
    ORDER BY u.user_id
    ON CONFLICT DO NOTHING
    RETURNING user_id
), counted AS (
    UPDATE groups SET member_count = member_count + (SELECT count(*) FROM added) WHERE chat_id = $1
)
SELECT user_id FROM added ORDER BY user_id

-- name: remove
WITH gone AS (
    DELETE FROM members WHERE chat_id = $1 AND user_id = $2 RETURNING user_id
), counted AS (
    UPDATE groups SET member_count = member_count - 1 WHERE chat_id = $1 AND EXISTS (SELECT FROM gone)
)
SELECT user_id FROM gone

-- name: are_in
SELECT user_id FROM members WHERE chat_id = $1 AND user_id = ANY ($2::bigint[])

-- name: users_of
SELECT user_id FROM members WHERE chat_id = $1 ORDER BY user_id

-- name: set_role
UPDATE members SET role = $3, permissions = $4, promoted_by = $5, muted_until = NULL
WHERE chat_id = $1 AND user_id = $2

-- name: restrict
UPDATE members SET permissions = $3 WHERE chat_id = $1 AND user_id = $2

-- name: mute
UPDATE members SET muted_until = $3 WHERE chat_id = $1 AND user_id = $2

-- name: count_admins
SELECT count(*) FROM members WHERE chat_id = $1 AND role <> 'member'

-- name: page
SELECT m.user_id, u.name, m.role, m.permissions, m.muted_until, m.joined_at
FROM members AS m JOIN users AS u USING (user_id)
WHERE m.chat_id = $1 AND m.user_id > $2
ORDER BY m.user_id LIMIT $3

-- name: page_of_admins
SELECT m.user_id, u.name, m.role, m.permissions, m.muted_until, m.joined_at
FROM members AS m JOIN users AS u USING (user_id)
WHERE m.chat_id = $1 AND m.user_id > $2 AND m.role <> 'member'
ORDER BY m.user_id LIMIT $3

-- name: ban
INSERT INTO bans (chat_id, user_id, until, banned_by, banned_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (chat_id, user_id)
DO UPDATE SET until = excluded.until, banned_by = excluded.banned_by, banned_at = excluded.banned_at

-- name: unban
DELETE FROM bans WHERE chat_id = $1 AND user_id = $2 RETURNING user_id

-- name: bans_in_force
SELECT user_id, until FROM bans
WHERE chat_id = $1 AND user_id = ANY ($2::bigint[]) AND (until IS NULL OR until > $3)

-- name: page_of_bans
SELECT b.user_id, u.name, b.until, b.banned_by, b.banned_at
FROM bans AS b JOIN users AS u USING (user_id)
WHERE b.chat_id = $1 AND b.user_id > $2 AND (b.until IS NULL OR b.until > $4)
ORDER BY b.user_id LIMIT $3
