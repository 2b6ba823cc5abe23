-- When a recipient runs out of time is a matter of the settings of now: what is stored is the moment from
-- which the time counts, the arrival or a release. For what is stored already it follows from the end of its time
-- and the time that the settings have.
ALTER TABLE messages ADD COLUMN kept_from INTEGER NOT NULL DEFAULT 0;
UPDATE messages SET kept_from = min(
    CAST(strftime('%s', 'now') AS INTEGER) * 1000,
    max(received_at, expires_at - 1000 * coalesce(
        (SELECT CAST(written ->> '$.expire_after_seconds' AS INTEGER) FROM settings), 432000)));
ALTER TABLE messages DROP COLUMN expires_at;
