-- CRC-32 of what is stored of a message, so that what a disk made of it is never sent for it. Missing
-- for what was stored before.
ALTER TABLE messages ADD COLUMN prefix_checksum INTEGER;
ALTER TABLE messages ADD COLUMN content_checksum INTEGER;

-- Damaged rows, those whose state says nothing that is known among them: an index of those few, in which
-- the queue looks for the ones whose time is over.
CREATE INDEX recipients_damaged ON recipients (id)
    WHERE state NOT IN ('waiting', 'delivering', 'held', 'uncertain', 'quarantined');
