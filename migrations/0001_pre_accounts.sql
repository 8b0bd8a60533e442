-- People, their devices and sessions. A phone is stored twice, never in clear: as an HMAC to find it
-- by, and encrypted to show it to its owner.
CREATE TABLE users (
    user_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone_hash bytea NOT NULL UNIQUE,
    phone_encrypted bytea NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE devices (
    device_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    name text NOT NULL,
    platform text NOT NULL,
    public_key bytea,                       -- Ed25519, 32 bytes; NULL: cannot return by its key
    key_used_ms bigint NOT NULL DEFAULT 0,  -- the newest signed time accepted: a signature works once
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX devices_by_user ON devices (user_id);
-- The revocation set is read by time: at start, and then what is new.
CREATE INDEX devices_by_revocation ON devices (revoked_at) WHERE revoked_at IS NOT NULL;

-- One row per refresh token ever issued and not yet expired. The successor of a token is derived from
-- it (services/sessions.py), so a lost answer can be asked for again; `used_at` marks rotation.
CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES devices,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_by_device ON refresh_tokens (device_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
