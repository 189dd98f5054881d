-- Rows that PostgreSQL would not take, as they were, with its reason.
CREATE TABLE dead_letters (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL,
    table_name text NOT NULL,
    reason     text NOT NULL,
    payload    bytea NOT NULL
);

CREATE INDEX dead_letters_at ON dead_letters (at DESC);
