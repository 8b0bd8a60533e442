-- Uploads (tus 1.0.0) and the files they become. `offset_bytes` is what is on disk for certain; the
-- file itself may be longer after a crash and is cut back to it.
CREATE TABLE uploads (
    media_id text PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    length_bytes bigint NOT NULL CHECK (length_bytes >= 0),
    offset_bytes bigint NOT NULL DEFAULT 0 CHECK (offset_bytes BETWEEN 0 AND length_bytes),
    writer_epoch bigint NOT NULL DEFAULT 0, -- each writer takes the next; only the newest moves the offset
    name text NOT NULL,
    content_type text NOT NULL,
    metadata text NOT NULL,             -- the Upload-Metadata header as it came, given back by HEAD
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,    -- moves with each write; meaningless once finished
    finished_at timestamptz,
    removed_at timestamptz              -- gone for everybody; the row goes after its bytes
);
-- How many somebody has begun, and all of somebody's.
CREATE INDEX uploads_by_user ON uploads (user_id, finished_at);
-- What the sweep looks at.
CREATE INDEX uploads_by_expiry ON uploads (expires_at) WHERE finished_at IS NULL OR removed_at IS NOT NULL;
