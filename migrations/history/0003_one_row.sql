-- A message with one recipient that was delivered before its reply, which is most mail, is told in its
-- own row of `messages` instead of a second one in `events`. All missing for every other message.
ALTER TABLE messages ADD COLUMN recipient TEXT COLLATE NOCASE;
ALTER TABLE messages ADD COLUMN delivered_at INTEGER;
ALTER TABLE messages ADD COLUMN words TEXT;
ALTER TABLE messages ADD COLUMN next_hop TEXT;
ALTER TABLE messages ADD COLUMN peer TEXT;
ALTER TABLE messages ADD COLUMN tls INTEGER;
ALTER TABLE messages ADD COLUMN took_micros INTEGER;

CREATE INDEX messages_by_recipient ON messages (chunk, recipient) WHERE recipient IS NOT NULL;
