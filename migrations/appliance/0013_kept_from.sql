-- When a recipient runs out of time is a matter of the settings of now: what is stored is the moment from
-- which the time counts, the arrival or a release. For what was released before this is known up to the longest
-- time that the settings had at first.
ALTER TABLE messages ADD COLUMN kept_from INTEGER NOT NULL DEFAULT 0;
UPDATE messages SET kept_from = max(received_at, expires_at - 432000000);
ALTER TABLE messages DROP COLUMN expires_at;
