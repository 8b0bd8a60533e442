-- The newcomer has no other device at hand: a text is sent at once, and none is asked first.
ALTER TABLE challenges ADD COLUMN text_at_once boolean NOT NULL DEFAULT false;
