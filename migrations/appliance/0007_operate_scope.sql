-- A token may also do what an operator does. A CHECK cannot be changed, so the table is made anew; its
-- ids go on where they were, since none is used twice.
CREATE TABLE api_tokens_anew (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    token_hash   BLOB    NOT NULL UNIQUE,
    scope        TEXT    NOT NULL CHECK (scope IN ('read_only', 'operate', 'read_write')),
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL,
    last_used_at INTEGER
) STRICT;

INSERT INTO sqlite_sequence (name, seq)
SELECT 'api_tokens_anew', seq FROM sqlite_sequence WHERE name = 'api_tokens';

INSERT INTO api_tokens_anew (id, name, token_hash, scope, created_at, created_by, last_used_at)
SELECT id, name, token_hash, scope, created_at, created_by, last_used_at FROM api_tokens;

DROP TABLE api_tokens;
ALTER TABLE api_tokens_anew RENAME TO api_tokens;
