-- The events of a message in the order of its recipients: who they are, and what happened last to each,
-- is then a seek for each of them, however often the message was tried. For a message with one recipient
-- it is the order in which they were written, as before.
CREATE TABLE ordered_events (
    message     INTEGER NOT NULL,
    chunk       INTEGER NOT NULL,
    -- Numbers the events of a chunk in the order in which they were written.
    number      INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    recipient   TEXT    NOT NULL COLLATE NOCASE,
    -- An outcome (delivered, deferred, refused, uncertain) or what was done (queued, held, …).
    what        TEXT    NOT NULL,
    words       TEXT    NOT NULL,
    -- Missing unless it was an attempt.
    next_hop    TEXT,
    peer        TEXT,
    tls         INTEGER,
    took_micros INTEGER,
    PRIMARY KEY (message, recipient, chunk, number)
) STRICT, WITHOUT ROWID;

INSERT INTO ordered_events
SELECT message, chunk, number, at, recipient, what, words, next_hop, peer, tls, took_micros FROM events;

DROP TABLE events;
ALTER TABLE ordered_events RENAME TO events;

CREATE INDEX events_by_recipient ON events (chunk, recipient);
CREATE INDEX events_by_what ON events (what) WHERE what NOT IN ('delivered', 'queued');
