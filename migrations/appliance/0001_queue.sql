-- The retry queue. Times are milliseconds since 1970, words are the ones of the API.

-- A message that still has recipients to reach. Its last recipient takes it along.
CREATE TABLE messages (
    -- Our id as a number: rises in the order of arrival.
    id             INTEGER PRIMARY KEY,
    received_at    INTEGER NOT NULL,
    -- The reverse path, empty for the null path.
    sender         TEXT    NOT NULL,
    -- Missing for messages of our own.
    client_address TEXT,
    helo           TEXT    NOT NULL,
    login          TEXT,
    -- What we put before the content: our Received field.
    prefix         BLOB    NOT NULL,
    -- Bytes of content, without the prefix.
    content_bytes  INTEGER NOT NULL,
    eight_bit      INTEGER NOT NULL,
    needs_smtputf8 INTEGER NOT NULL,
    -- What MAIL said: BODY, SMTPUTF8, RET and ENVID.
    body_type      TEXT    NOT NULL,
    smtputf8       INTEGER NOT NULL,
    ret            TEXT,
    envelope_id    TEXT,
    -- The spool file with the content; missing when the content stands in `bodies`.
    spool_file     TEXT,
    -- From here on a recipient that was not reached fails.
    expires_at     INTEGER NOT NULL
) STRICT;

-- Small contents, in a table of their own so that a walk over the messages does not read them.
CREATE TABLE bodies (
    message INTEGER PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    content BLOB NOT NULL
) STRICT;

-- One row for each recipient that waits. AUTOINCREMENT: an id is never used twice, so that a page
-- that was opened yesterday cannot purge somebody else's mail today.
CREATE TABLE recipients (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    message            INTEGER NOT NULL REFERENCES messages (id),
    recipient          TEXT    NOT NULL,
    -- In lower case, for looking up a destination.
    recipient_domain   TEXT    NOT NULL,
    -- What RCPT said: NOTIFY and ORCPT.
    notify             TEXT,
    original_recipient TEXT,
    -- The next hop's name.
    next_hop           TEXT    NOT NULL,
    state              TEXT    NOT NULL,
    -- Why the message touched disk.
    reason             TEXT    NOT NULL,
    attempts           INTEGER NOT NULL,
    last_reply         TEXT    NOT NULL,
    next_attempt_at    INTEGER NOT NULL,
    delay_reported     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The rows of a message, and the queue in the order of arrival.
CREATE INDEX recipients_by_message ON recipients (message);

-- The oldest due rows of each next hop. Only rows that can become due stand in it, so that an
-- attempt under way or a held message costs a look into the queue nothing.
CREATE INDEX recipients_due ON recipients (next_hop, next_attempt_at)
    WHERE state IN ('waiting', 'uncertain');
