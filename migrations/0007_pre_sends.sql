-- Codes on their way. A challenge that has no hand-off is the order to send its code; each hand-off is
-- a row of `sends`, written before the provider is called and completed after.
ALTER TABLE challenges
    ADD COLUMN client text NOT NULL DEFAULT 'generic',  -- which program reads the text
    ADD COLUMN app_hash text,               -- of an Android program: its text ends with it
    ADD COLUMN operator text NOT NULL DEFAULT '',       -- by the number's prefix; '' where unknown
    ADD COLUMN source integer NOT NULL DEFAULT 0,       -- a bucket of origins, for a fair queue
    ADD COLUMN is_inbound_only boolean NOT NULL DEFAULT false, -- gets no text, may send one
    ADD COLUMN version integer NOT NULL DEFAULT 1,      -- grows with all that its newcomer can see
    ADD COLUMN accepted_by text,            -- what proved the number: 'code', 'message' …
    ADD COLUMN refused_at timestamptz,      -- a device of the account said that it was not them
    ADD COLUMN seen_at timestamptz,         -- the program says that the text has come
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN voice_wanted_at timestamptz, -- the newcomer asked for a call
    ADD COLUMN news_at timestamptz;         -- the newest of what the dispatcher has to hear of

-- The queue: what no provider has been given yet.
CREATE INDEX challenges_queued ON challenges (created_at) WHERE handoffs = '{}';
CREATE INDEX challenges_by_news ON challenges (news_at) WHERE news_at IS NOT NULL;

CREATE TABLE sends (
    challenge_id text NOT NULL,             -- no foreign key: statistics outlive challenges
    number smallint NOT NULL,               -- of this challenge: 1, 2, 3 …
    provider text NOT NULL,
    channel text NOT NULL,
    kind text NOT NULL,                     -- first, failover, hedge, resend, late
    generation smallint NOT NULL,           -- which code it carries
    operator text NOT NULL,
    client text NOT NULL,
    reason text NOT NULL,                   -- of the router, compact JSON
    began_at timestamptz NOT NULL,
    outcome text,                           -- NULL: under way, or its process died
    answer text NOT NULL DEFAULT '',        -- the provider's own word for it
    answered_at timestamptz,
    message_id text,
    cost integer,
    receipt text,
    receipt_at timestamptz,
    receipt_asked_at timestamptz,           -- of a provider that has to be asked
    PRIMARY KEY (challenge_id, number)
);
CREATE INDEX sends_by_message ON sends (provider, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX sends_by_receipt ON sends (receipt_at) WHERE receipt_at IS NOT NULL;
-- Rows are written in the order of their times: a few kilobytes are index enough.
CREATE INDEX sends_by_age ON sends USING brin (began_at) WITH (pages_per_range = 16);

-- What a dispatcher wants its successor to know; one row, replaced.
CREATE TABLE dispatch (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    written_at timestamptz NOT NULL,
    outlook bytea NOT NULL,                 -- what newcomers are told of the wait, MessagePack
    snapshot bytea NOT NULL                 -- what the router has learned, MessagePack
);

-- May this device start a challenge for this number? Takes the number's lock first, and then each
-- statement in here sees what those who had it before have committed: one round trip with the INSERT
-- that calls it. Answers 'new', 'known' (this device's own challenge), 'tried' or 'sent' (until `at`).
CREATE FUNCTION may_start_challenge(
    number_hash bytea, device bytea, moment timestamptz, validity interval, renewed interval,
    tries_max integer, tries_most integer[], tries_per interval[], handoffs_most integer[], handoffs_per interval[],
    OUT answer text, OUT known text, OUT at timestamptz
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(encode(number_hash, 'hex'), 0));
    answer := 'new';
    IF NOT EXISTS (SELECT FROM challenges AS c WHERE c.phone_hash = number_hash) THEN
        RETURN;
    END IF;
    SELECT c.challenge_id INTO known FROM challenges AS c
    WHERE c.phone_hash = number_hash AND c.device_key = device AND c.device_id IS NULL
        AND c.cancelled_at IS NULL AND c.refused_at IS NULL AND c.wrong_tries < tries_max
        AND c.created_at > moment - interval '2 hours'
        AND moment < CASE  -- as `Challenge.ends_at` has it
            WHEN c.code_accepted_at IS NOT NULL THEN c.code_accepted_at + validity
            WHEN c.handoffs = '{}' THEN c.created_at + interval '15 minutes'
            ELSE validity + coalesce(
                (SELECT min(made) FROM unnest(c.handoffs) AS made WHERE made - c.handoffs[1] >= renewed),
                c.handoffs[1]
            )
        END
    ORDER BY c.created_at DESC LIMIT 1;
    IF FOUND THEN
        answer := 'known';
        RETURN;
    END IF;
    IF EXISTS (
        SELECT FROM unnest(tries_most, tries_per) AS rule (most, per)
        WHERE rule.most <= (
            SELECT coalesce(sum(c.wrong_tries), 0) FROM challenges AS c
            WHERE c.phone_hash = number_hash AND c.wrong_at > moment - rule.per
        )
    ) THEN
        answer := 'tried';
        RETURN;
    END IF;
    -- Who waits in the queue has a hand-off to come: it counts as if it had been made.
    SELECT max(used.handoff + rule.per) INTO at
    FROM unnest(handoffs_most, handoffs_per) AS rule (most, per), LATERAL (
        SELECT taken.handoff FROM challenges AS c, unnest(
            CASE WHEN c.handoffs = '{}' AND c.device_id IS NULL AND c.cancelled_at IS NULL
                    AND c.created_at > moment - interval '15 minutes'
                THEN ARRAY[c.created_at] ELSE c.handoffs END
        ) AS taken (handoff)
        WHERE c.phone_hash = number_hash
        ORDER BY taken.handoff DESC OFFSET rule.most - 1 LIMIT 1
    ) AS used;
    IF at > moment THEN
        answer := 'sent';
    END IF;
END
$$;
