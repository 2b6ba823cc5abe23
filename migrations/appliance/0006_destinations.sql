-- The table destination × age: an index that answers it alone, in the order of the next hops. Rows
-- under an attempt are not in it, so that a message which is stored and delivered at once pays nothing.
CREATE INDEX recipients_by_destination ON recipients (next_hop, recipient_domain, message, state)
    WHERE state <> 'delivering';
