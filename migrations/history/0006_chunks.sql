-- Which messages each chunk of the indexes tells of. A look-up by address visits the chunks with the newest
-- messages first, and stops when what it has found is newer than all that the rest can tell; and it
-- passes over chunks of other times. The events of a chunk may concern much older messages than those
-- that arrived meanwhile, so each table has its own line.
CREATE TABLE chunks (
    -- `messages` or `events`: the table whose chunk it is.
    kind          TEXT    NOT NULL,
    number        INTEGER NOT NULL,
    -- No id in it is smaller or greater; pruning leaves the first as it was.
    first_message INTEGER NOT NULL,
    last_message  INTEGER NOT NULL,
    PRIMARY KEY (kind, number)
) STRICT, WITHOUT ROWID;

INSERT INTO chunks SELECT 'messages', chunk, min(id), max(id) FROM messages GROUP BY chunk;
INSERT INTO chunks SELECT 'events', chunk, min(message), max(message) FROM events GROUP BY chunk;
