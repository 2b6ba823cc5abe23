-- Who may log in to the pages. AUTOINCREMENT: an id is never used twice, so that what was meant for
-- somebody who is gone never reaches somebody new.
CREATE TABLE accounts (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    role           TEXT    NOT NULL CHECK (role IN ('viewer', 'operator', 'administrator')),
    -- argon2 with its parameters and salt, as a PHC string.
    password_hash  TEXT    NOT NULL,
    -- The shared secret of the one-time codes (RFC 6238); missing while they are not asked for.
    totp_secret    BLOB,
    -- The time step of the last code that was taken: none is taken twice.
    totp_last_step INTEGER,
    created_at     INTEGER NOT NULL
) STRICT;

-- SHA-256 of the codes that stand in for a lost telephone. Each is taken once, and gone then.
CREATE TABLE recovery_codes (
    account   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    code_hash BLOB    NOT NULL,
    PRIMARY KEY (account, code_hash)
) STRICT, WITHOUT ROWID;

-- Browsers that are logged in, by SHA-256 of what their cookie holds.
CREATE TABLE sessions (
    token_hash BLOB    PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    -- About when it was used last.
    seen_at    INTEGER NOT NULL,
    -- Where it was begun.
    address    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_account ON sessions (account);

-- What programs show to the API, by SHA-256.
CREATE TABLE api_tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    token_hash   BLOB    NOT NULL UNIQUE,
    scope        TEXT    NOT NULL CHECK (scope IN ('read_only', 'read_write')),
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL,
    last_used_at INTEGER
) STRICT;

-- One row once there has been an administrator: /setup is closed then, for good.
CREATE TABLE setup (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    done_at INTEGER NOT NULL
) STRICT;
