-- What conditions make of a message.

-- Bytes of content that do not travel: the header that stands rewritten in the prefix.
ALTER TABLE messages ADD COLUMN content_from INTEGER NOT NULL DEFAULT 0;
-- Where in the prefix the recipient is named; then each recipient gets a message of its own.
ALTER TABLE messages ADD COLUMN for_clause_at INTEGER;
-- The server that a directory names for the recipient, `smtp://host:port`.
ALTER TABLE recipients ADD COLUMN mail_host TEXT;
