-- How much people store, which files nobody needs, and when bytes were last looked at.
ALTER TABLE uploads
    ADD COLUMN scrubbed_at timestamptz,         -- when its bytes were last compared with this row
    ADD COLUMN uses_known boolean NOT NULL DEFAULT true;
UPDATE uploads SET uses_known = false;          -- sent, perhaps, before uses were written down
CREATE INDEX uploads_to_scrub ON uploads (scrubbed_at NULLS FIRST, media_id)
    WHERE finished_at IS NOT NULL AND removed_at IS NULL;
CREATE INDEX uploads_by_end ON uploads (finished_at) WHERE finished_at IS NOT NULL AND removed_at IS NULL;
CREATE INDEX uploads_by_content ON uploads (sha256, length_bytes) WHERE sha256 IS NOT NULL;

-- Bytes by person, and under negative numbers shares of everybody's, so that few wait for one row.
-- The previous release counts, too: a trigger does.
CREATE TABLE media_totals (
    user_id bigint PRIMARY KEY,
    bytes bigint NOT NULL
);
INSERT INTO media_totals
SELECT user_id, sum(length_bytes) FROM uploads WHERE removed_at IS NULL GROUP BY user_id;
INSERT INTO media_totals SELECT -1 - user_id % 16, sum(bytes) FROM media_totals GROUP BY 1;

CREATE FUNCTION uploads_count_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    who bigint;
    change bigint := 0;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.removed_at IS NULL THEN
        change := -coalesce(OLD.length_bytes, 0);
        who := OLD.user_id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.removed_at IS NULL THEN
        change := change + coalesce(NEW.length_bytes, 0);
        who := NEW.user_id;
    END IF;
    IF change <> 0 THEN
        INSERT INTO media_totals AS t (user_id, bytes) VALUES (who, change)
        ON CONFLICT (user_id) DO UPDATE SET bytes = t.bytes + excluded.bytes;
        INSERT INTO media_totals AS t (user_id, bytes) VALUES (-1 - who % 16, change)
        ON CONFLICT (user_id) DO UPDATE SET bytes = t.bytes + excluded.bytes;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER uploads_count_bytes AFTER INSERT OR DELETE OR UPDATE OF length_bytes, removed_at
    ON uploads FOR EACH ROW EXECUTE FUNCTION uploads_count_bytes();

-- Every blob that a row names. What is not here, and old, is nobody's: whoever makes blobs of a new
-- kind adds them here first.
CREATE VIEW named_blobs AS SELECT blob_key FROM uploads;
