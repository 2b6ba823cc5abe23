-- Public keys of recipients, to encrypt to.
CREATE TABLE openpgp_keys (
    id          INTEGER PRIMARY KEY,
    -- Of the primary key, in upper-case hexadecimal digits.
    fingerprint TEXT    NOT NULL UNIQUE,
    -- Addresses, and domains as @example.net, in lower case; a line each.
    stands_for  TEXT    NOT NULL,
    -- The key in its binary form.
    key         BLOB    NOT NULL,
    -- What is shown of it; the key itself is what counts.
    user_id     TEXT    NOT NULL,
    expires_at  INTEGER,
    created_at  INTEGER NOT NULL,
    added_by    TEXT    NOT NULL
) STRICT;
