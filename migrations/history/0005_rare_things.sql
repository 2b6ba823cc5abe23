-- Look-ups of rare things: why a message touched disk, and what seldom happens to a recipient. Both
-- indexes hold only what is rare, and new entries land behind the newest ones of their word, so that a
-- message which was delivered from memory costs nothing here.
CREATE INDEX messages_by_reasons ON messages (reasons) WHERE reasons <> '';
CREATE INDEX events_by_what ON events (what) WHERE what NOT IN ('delivered', 'queued');
