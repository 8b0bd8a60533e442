-- Coming back without a text, and what guards an account.
--
-- A number may pass to a stranger, and then to a fresh account: the old one is kept without a number
-- and can for a while be claimed by its other proofs, for which the former number is remembered.
ALTER TABLE users
    ALTER COLUMN phone_hash DROP NOT NULL,
    ALTER COLUMN phone_encrypted DROP NOT NULL,
    ADD COLUMN former_phone_hash bytea,
    ADD COLUMN number_lost_at timestamptz;

-- Until then a device that came in by a text alone may not touch what guards the account.
ALTER TABLE devices ADD COLUMN held_until timestamptz;

-- A challenge may also be accepted by another device of the account (`accepted_by` 'device').
ALTER TABLE challenges
    ADD COLUMN approved_by bigint;          -- whose device it was, where one approved

CREATE TABLE guards (
    user_id bigint PRIMARY KEY REFERENCES users,
    pin_hash text,                          -- Argon2id over a keyed hash of the PIN
    totp_sealed bytea,
    totp_confirmed_at timestamptz,          -- NULL: enrolled and not yet shown to work
    totp_step bigint NOT NULL DEFAULT 0     -- the newest step that was used: each works once
);

-- Secrets of 256 bits that let a device in instead of a text: a plain hash will do.
CREATE TABLE return_keys (
    key_hash bytea PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind IN ('recovery', 'logout')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz                  -- NULL: never
);
CREATE UNIQUE INDEX return_keys_one_recovery ON return_keys (user_id) WHERE kind = 'recovery';
CREATE INDEX return_keys_by_user ON return_keys (user_id, created_at);
CREATE INDEX return_keys_by_expiry ON return_keys (expires_at) WHERE expires_at IS NOT NULL;

-- How much of an allowance of tries is used up. `level` falls by itself as time passes.
CREATE TABLE tries (
    subject bytea PRIMARY KEY,
    level double precision NOT NULL,
    at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL            -- from then on it is as if nothing had been tried
);
CREATE INDEX tries_by_end ON tries (ends_at);

-- Links by which a signed-in device let a new one in. A row exists from the approval on.
CREATE TABLE device_links (
    link_id text PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    approved_at timestamptz NOT NULL,
    device_id bigint REFERENCES devices     -- the result: ask again, get the same
);
CREATE INDEX device_links_by_age ON device_links (approved_at);

CREATE TABLE passkeys (
    credential_id bytea PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    public_key bytea NOT NULL,              -- COSE
    sign_count bigint NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX passkeys_by_user ON passkeys (user_id);
