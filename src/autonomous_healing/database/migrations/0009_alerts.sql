-- Alerts through their whole life.
CREATE TABLE alerts (
    id                  varchar(60) PRIMARY KEY,
    fingerprint         varchar(160) NOT NULL,
    at                  timestamptz NOT NULL,
    level               varchar(12) NOT NULL,
    title               text NOT NULL,
    message             text,
    source              varchar(50),
    endpoint            varchar(255),
    health_status       varchar(20),
    error_rate          double precision,
    affected_endpoints  jsonb,
    healing_attempted   boolean NOT NULL DEFAULT false,
    healing_successful  boolean NOT NULL DEFAULT false,
    recommended_actions jsonb,
    auto_resolve        boolean NOT NULL DEFAULT true,
    state               varchar(20) NOT NULL,
    acked_by            varchar(100),
    acked_at            timestamptz,
    resolved_at         timestamptz,
    incident_id         uuid,
    occurrences         integer NOT NULL DEFAULT 1
);

CREATE INDEX alerts_fingerprint ON alerts (fingerprint);
CREATE INDEX alerts_state ON alerts (state);
CREATE INDEX alerts_at ON alerts (at DESC);
