-- How many rows are held stands on every page of the queue: an index of those few, which a row that is
-- not held costs nothing.
CREATE INDEX recipients_held ON recipients (id) WHERE state = 'held';
