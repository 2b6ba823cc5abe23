-- Who may relay through us by AUTH. The name is unique whatever the case of its ASCII letters.
CREATE TABLE smtp_logins (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    -- argon2 with its parameters and salt (PHC string format); the password itself is nowhere.
    hash       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    note       TEXT    NOT NULL
) STRICT;
