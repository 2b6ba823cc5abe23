-- What the administrator sets, as one JSON object: it is validated, published and exported as a whole.
CREATE TABLE settings (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    written TEXT NOT NULL
) STRICT;

-- Every change an administrator made. Secrets are redacted before they come here.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    -- The administrator, the token's name, or the command line.
    who    TEXT    NOT NULL,
    -- The address the change came from; missing for the command line.
    origin TEXT,
    action TEXT    NOT NULL,
    -- JSON; missing where there was nothing.
    before TEXT,
    after  TEXT
) STRICT;
