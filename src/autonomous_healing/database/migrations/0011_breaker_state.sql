-- The state of each circuit breaker after its last move.
CREATE TABLE breaker_state (
    target     varchar(255) PRIMARY KEY,
    state      varchar(20) NOT NULL,
    n          integer NOT NULL DEFAULT 0,
    opened_at  timestamptz,
    until      timestamptz,
    reason     text,
    changed_at timestamptz NOT NULL DEFAULT now()
);
