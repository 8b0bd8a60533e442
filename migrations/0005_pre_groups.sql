-- Groups and channels. A chat's row is written anew with every message, so it stays narrow: `version`
-- and the kind of fan-out are there, everything else that a group has is in `groups`.
-- `version` rises with whatever changes who may write or who receives; a message is written only
-- while the chat has the version that its sender's rights were read at.
ALTER TABLE chats
    DROP CONSTRAINT chats_kind_check,
    ADD CONSTRAINT chats_kind_check CHECK (kind IN ('private', 'group', 'channel')),
    ADD COLUMN version bigint NOT NULL DEFAULT 0,
    ADD COLUMN is_broadcast boolean NOT NULL DEFAULT false; -- too many members to name them: for good

CREATE TABLE groups (
    chat_id bigint PRIMARY KEY REFERENCES chats,
    title text NOT NULL,
    about text NOT NULL DEFAULT '',
    member_count integer NOT NULL DEFAULT 0,    -- raised and lowered with the members' rows
    permissions integer NOT NULL,               -- of members without their own (domain/permissions.py)
    slow_mode_s integer NOT NULL DEFAULT 0,
    shows_history boolean NOT NULL DEFAULT true,    -- do new members see what was before them?
    signs_posts boolean NOT NULL DEFAULT true       -- channels: do posts show who wrote them?
) WITH (fillfactor = 70);

ALTER TABLE members
    ADD COLUMN role text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'admin', 'member')),
    ADD COLUMN permissions integer,             -- an admin's; a member's restriction; NULL: the chat's
    ADD COLUMN promoted_by bigint,              -- who made this admin, and may undo it
    ADD COLUMN muted_until timestamptz,
    ADD COLUMN first_seq bigint NOT NULL DEFAULT 1, -- events before it are hidden from this member
    ADD COLUMN joined_at timestamptz,
    ADD COLUMN is_broadcast boolean NOT NULL DEFAULT false; -- the chat's, for the index below
-- Which large chats some people are in: what a gateway asks for those who are connected to it.
CREATE INDEX members_of_broadcasts ON members (user_id, chat_id) WHERE is_broadcast;
-- Admins are few and are listed alone.
CREATE INDEX members_by_role ON members (chat_id, user_id) WHERE role <> 'member';

CREATE TABLE bans (
    chat_id bigint NOT NULL REFERENCES chats,
    user_id bigint NOT NULL REFERENCES users,
    until timestamptz,                          -- NULL: for good
    banned_by bigint NOT NULL,
    banned_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, user_id)
);

-- The token is kept as it is: it is made to be shared and shown again, and whoever can read this table
-- can read the chat without it.
CREATE TABLE invite_links (
    link_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token text NOT NULL UNIQUE,
    chat_id bigint NOT NULL REFERENCES chats,
    created_by bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    uses integer NOT NULL DEFAULT 0,            -- people who came in by it, or wait for approval
    uses_max integer,
    requires_approval boolean NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX invite_links_by_chat ON invite_links (chat_id, link_id);

CREATE TABLE join_requests (
    chat_id bigint NOT NULL REFERENCES chats,
    user_id bigint NOT NULL REFERENCES users,
    link_id bigint NOT NULL REFERENCES invite_links,
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (chat_id, user_id)
);

-- How many members have read each event of a channel. Low fillfactor: a new post's row is written
-- many times in a minute.
CREATE TABLE post_views (
    chat_id bigint NOT NULL,
    seq bigint NOT NULL,
    views bigint NOT NULL,
    PRIMARY KEY (chat_id, seq)
) WITH (fillfactor = 50);

-- Posted in the chat's name: the sender is kept for idempotency and shown to nobody.
ALTER TABLE messages ADD COLUMN hides_sender boolean NOT NULL DEFAULT false;
