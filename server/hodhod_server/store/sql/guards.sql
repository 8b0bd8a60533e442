-- name: find
SELECT pin_hash, totp_sealed, totp_confirmed_at, totp_step FROM guards WHERE user_id = $1

-- name: set_pin
INSERT INTO guards (user_id, pin_hash) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET pin_hash = excluded.pin_hash

-- name: enrol_totp
-- Until it is confirmed, one that was confirmed before goes on guarding.
INSERT INTO guards (user_id, totp_sealed) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET totp_sealed = excluded.totp_sealed
WHERE guards.totp_confirmed_at IS NULL
RETURNING user_id

-- name: confirm_totp
UPDATE guards SET totp_confirmed_at = $2 WHERE user_id = $1

-- name: use_totp_step
-- A step works once, and shuts out those before it.
UPDATE guards SET totp_step = $2 WHERE user_id = $1 AND totp_step < $2

-- name: remove_totp
UPDATE guards SET totp_sealed = NULL, totp_confirmed_at = NULL WHERE user_id = $1

-- name: overview
SELECT coalesce(g.pin_hash IS NOT NULL, false) AS has_pin,
       coalesce(g.totp_confirmed_at IS NOT NULL, false) AS has_totp,
       EXISTS (SELECT FROM return_keys AS k WHERE k.user_id = u.user_id AND k.kind = 'recovery')
           AS has_recovery_key,
       (SELECT count(*) FROM passkeys AS p WHERE p.user_id = u.user_id) AS passkeys,
       (SELECT held_until FROM devices AS d WHERE d.device_id = $2) AS held_until
FROM users AS u LEFT JOIN guards AS g USING (user_id) WHERE u.user_id = $1
