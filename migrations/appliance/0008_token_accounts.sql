-- Whose a token is: it goes with its account. None for what the command line or the first start made.
-- What removes an account revokes its tokens first, and notes it; the cascade is for what forgets to.
ALTER TABLE api_tokens ADD COLUMN account INTEGER REFERENCES accounts (id) ON DELETE CASCADE;

-- A token that was made with a token is of the same account.
WITH RECURSIVE owned (name, account) AS (
    SELECT api_tokens.name, accounts.id
    FROM api_tokens JOIN accounts ON accounts.name = api_tokens.created_by
    UNION
    SELECT api_tokens.name, owned.account
    FROM api_tokens JOIN owned ON api_tokens.created_by = 'token ' || owned.name COLLATE NOCASE
)
UPDATE api_tokens SET account = (SELECT account FROM owned WHERE owned.name = api_tokens.name);
