-- The figures of each minute, as the statistics sum them up: one JSON object.
CREATE TABLE minutes (
    -- Minutes since 1970.
    minute  INTEGER PRIMARY KEY,
    figures TEXT NOT NULL
) STRICT;
