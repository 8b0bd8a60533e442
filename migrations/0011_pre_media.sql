-- Files that share bytes, uploads in parallel parts, and the messages that name a file.
ALTER TABLE uploads
    ALTER COLUMN length_bytes DROP NOT NULL,    -- NULL: its client does not know it yet
    ADD CONSTRAINT uploads_finished_length CHECK (finished_at IS NULL OR length_bytes IS NOT NULL),
    ADD COLUMN blob_key text,                   -- whose bytes: its own (the media_id), or shared ones
    ADD COLUMN sha256 bytea,                    -- of the whole file; NULL until somebody computed it
    ADD COLUMN is_partial boolean NOT NULL DEFAULT false, -- a part of a later upload: never a file
    ADD COLUMN concat text,                     -- the Upload-Concat header as it came, given back by HEAD
    ADD COLUMN parts text[],                    -- of a final upload: the partial ones, in order
    ADD COLUMN asked_epoch bigint NOT NULL DEFAULT 0; -- writers up to this one are asked to let go
UPDATE uploads SET blob_key = media_id;
ALTER TABLE uploads ALTER COLUMN blob_key SET NOT NULL;

-- The previous release does not know the column, and most uploads have bytes of their own.
CREATE FUNCTION uploads_own_blob() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.blob_key := coalesce(NEW.blob_key, NEW.media_id);
    RETURN NEW;
END $$;
CREATE TRIGGER uploads_own_blob BEFORE INSERT ON uploads FOR EACH ROW EXECUTE FUNCTION uploads_own_blob();

-- Does another file have these bytes, too?
CREATE INDEX uploads_by_blob ON uploads (blob_key);
-- Which final upload was made of these parts? Asked by a client that missed the answer.
CREATE INDEX uploads_by_parts ON uploads ((parts[1])) WHERE parts IS NOT NULL;
-- A partial upload expires, finished or not.
DROP INDEX uploads_by_expiry;
CREATE INDEX uploads_by_expiry ON uploads (expires_at)
    WHERE finished_at IS NULL OR is_partial OR removed_at IS NOT NULL;

-- Which messages name a file: written in the statement that writes the message, so that there is
-- never one without the other. `awaits`: it was named before it was whole, and the chat is still to
-- be told that it is.
CREATE TABLE media_uses (
    chat_id bigint NOT NULL REFERENCES chats,
    seq bigint NOT NULL,
    media_id text NOT NULL REFERENCES uploads ON DELETE CASCADE,
    awaits boolean NOT NULL DEFAULT false,
    PRIMARY KEY (chat_id, seq)
);
CREATE INDEX media_uses_by_media ON media_uses (media_id, chat_id);
CREATE INDEX media_uses_awaiting ON media_uses (media_id) WHERE awaits;
