-- The trail: what became of each message. Written in batches, about once a second, by the thousand:
-- every byte here is written twice (log and database), so there are few columns and fewer indexes.
--
-- Look-ups by address would need indexes in the order of the addresses. Each insert into those lands
-- on another page, and a page is 4 KiB written for 50 bytes said. Therefore the indexes begin with a
-- `chunk`, a number that rises every few thousand messages: inserts stay on the few pages of the newest
-- chunk, and a look-up visits each chunk once, some hundreds in a full week.

-- One row for each message that was answered.
CREATE TABLE messages (
    -- Our id as a number: rises in the order of arrival.
    id                  INTEGER PRIMARY KEY,
    chunk               INTEGER NOT NULL,
    received_at         INTEGER NOT NULL,
    sender              TEXT    NOT NULL COLLATE NOCASE,
    client_address      TEXT,
    helo                TEXT    NOT NULL,
    login               TEXT,
    recipients          INTEGER NOT NULL,
    size_bytes          INTEGER NOT NULL,
    path                TEXT    NOT NULL,
    storage             TEXT    NOT NULL,
    -- Words with commas between them, first reason first; empty when it stayed in memory.
    reasons             TEXT    NOT NULL,
    code                INTEGER NOT NULL,
    reply               TEXT    NOT NULL,
    acknowledged_micros INTEGER NOT NULL
) STRICT;

CREATE INDEX messages_by_sender ON messages (chunk, sender);

-- One row for each attempt for a recipient and for everything else that was done for one.
CREATE TABLE events (
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
    PRIMARY KEY (message, chunk, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX events_by_recipient ON events (chunk, recipient);
