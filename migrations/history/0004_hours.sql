-- The figures of each hour, as the statistics sum them up: one JSON object. They tell a month without
-- reading its forty thousand minutes, and outlive minutes that are pruned with the trail.
CREATE TABLE hours (
    -- Hours since 1970.
    hour    INTEGER PRIMARY KEY,
    figures TEXT NOT NULL
) STRICT;
