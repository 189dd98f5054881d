-- The state of each endpoint, as last seen.
CREATE TABLE endpoint_health (
    id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source               varchar(50) NOT NULL,
    endpoint             varchar(255) NOT NULL,
    status               varchar(20) NOT NULL,
    total_requests       integer NOT NULL DEFAULT 0,
    failed_requests      integer NOT NULL DEFAULT 0,
    error_rate           double precision NOT NULL DEFAULT 0,
    avg_response_time    double precision NOT NULL DEFAULT 0,
    last_success         timestamptz,
    last_failure         timestamptz,
    consecutive_failures integer NOT NULL DEFAULT 0,
    uptime_percentage    double precision NOT NULL DEFAULT 100,
    healed_share         double precision NOT NULL DEFAULT 0,
    felt                 jsonb,
    window_seconds       integer NOT NULL DEFAULT 300,
    updated_at           timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source, endpoint)
);

CREATE INDEX endpoint_health_status ON endpoint_health (status);
