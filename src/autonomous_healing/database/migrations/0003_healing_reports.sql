-- What each healing came to; a cure of an endpoint's failure names the failure by `error_event_id`.
CREATE TABLE healing_reports (
    id             uuid NOT NULL,
    at             timestamptz NOT NULL,
    patient        varchar(40),
    code           varchar(60),
    cluster        varchar(160),
    severity       varchar(12),
    outcome        varchar(16) NOT NULL CHECK (outcome IN ('healed', 'failed', 'not_attempted')),
    strategy       varchar(100),
    fidelity       varchar(12),
    source_used    varchar(50),
    detect_ms      double precision,
    heal_ms        double precision,
    arm            varchar(40),
    propensity     double precision,
    cost           jsonb,
    verified       boolean,
    verified_at    timestamptz,
    trail_id       uuid,
    error_event_id uuid,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

CREATE TABLE healing_reports_default PARTITION OF healing_reports DEFAULT;
INSERT INTO partition_rules VALUES ('healing_reports', 'at');

CREATE INDEX healing_reports_cluster ON healing_reports (cluster);
CREATE INDEX healing_reports_at ON healing_reports (at DESC);
CREATE INDEX healing_reports_strategy ON healing_reports (strategy);
CREATE INDEX healing_reports_error_event_id ON healing_reports (error_event_id);
