-- Failures of endpoints, one row each, written once and never changed.
CREATE TABLE error_events (
    id                  uuid NOT NULL,
    timestamp           timestamptz NOT NULL,
    source              varchar(50) NOT NULL,
    endpoint            varchar(255) NOT NULL,
    error_type          varchar(50) NOT NULL,
    code                varchar(60),
    cluster             varchar(160),
    blame               varchar(12),
    error_message       text,
    response_time       double precision,
    http_status_code    integer,
    request_params      jsonb,
    retry_count         integer NOT NULL DEFAULT 0,
    fixed_automatically boolean NOT NULL DEFAULT false,
    fix_method          varchar(100),
    fidelity            varchar(12),
    trail_id            uuid,
    origin              varchar(10),
    detected_at         timestamptz,
    healed_at           timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, timestamp)
) PARTITION BY RANGE (timestamp);

CREATE TABLE error_events_default PARTITION OF error_events DEFAULT;
INSERT INTO partition_rules VALUES ('error_events', 'timestamp');

CREATE INDEX error_events_timestamp ON error_events (timestamp DESC);
CREATE INDEX error_events_source ON error_events (source);
CREATE INDEX error_events_error_type ON error_events (error_type);
CREATE INDEX error_events_cluster ON error_events (cluster);
CREATE INDEX error_events_trail_id ON error_events (trail_id);
