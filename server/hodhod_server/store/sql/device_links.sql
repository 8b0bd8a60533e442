-- name: approve
-- Once: the second approval of a link finds it taken.
INSERT INTO device_links (link_id, user_id, approved_at) VALUES ($1, $2, $3)
ON CONFLICT (link_id) DO NOTHING

-- name: find
SELECT user_id, approved_at, device_id FROM device_links WHERE link_id = $1

-- name: lock
SELECT user_id, approved_at, device_id FROM device_links WHERE link_id = $1 FOR NO KEY UPDATE

-- name: finish
UPDATE device_links SET device_id = $2 WHERE link_id = $1
