-- Challenges: a newcomer proving a number. No code is stored anywhere: it is derived from the key of
-- `key_epoch`, the id, the number and the generation (domain/codes.py). Neither is the secret: it is
-- derived from the id.
CREATE TABLE challenges (
    challenge_id text PRIMARY KEY,
    phone_hash bytea NOT NULL,
    phone_encrypted bytea NOT NULL,
    device_key bytea,                   -- the newcomer's Ed25519 key; with the phone, names the challenge
    device_name text NOT NULL,
    platform text NOT NULL,
    locale text NOT NULL,
    key_epoch integer NOT NULL,
    created_at timestamptz NOT NULL,
    -- When each hand-off began, oldest first; one that was refused is taken out again. The age of a
    -- code, its generation and the limit per number all follow from these.
    handoffs timestamptz[] NOT NULL DEFAULT '{}',
    handing_over_at timestamptz,        -- the hand-off under way; left behind by a process that died
    sent_at timestamptz,                -- the newest hand-off that a sender took
    wrong_tries integer NOT NULL DEFAULT 0,
    wrong_at timestamptz,               -- the newest wrong try
    code_accepted_at timestamptz,       -- the code was right; a name may still be missing
    device_id bigint REFERENCES devices,    -- the result: verify again, get the same
    is_new boolean NOT NULL DEFAULT false   -- the result made the account
);
CREATE INDEX challenges_by_phone ON challenges (phone_hash, created_at);
CREATE INDEX challenges_by_age ON challenges (created_at);
