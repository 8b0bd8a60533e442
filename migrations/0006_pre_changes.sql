-- When something that a member sees of a chat last changed, so that who returns is told of changes
-- only. New events are told by `chats.last_at`. Triggers, so that no statement can forget it; no
-- index: it would end the HOT updates of the busiest rows, and a person's chats are read through
-- `members_by_user` anyway.
ALTER TABLE members ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE groups ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER members_note_change BEFORE UPDATE ON members FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER groups_note_change BEFORE UPDATE ON groups FOR EACH ROW EXECUTE FUNCTION note_change();
