-- A hand-off under way is a row of `sends` since 0007.
ALTER TABLE challenges DROP COLUMN handing_over_at;
