-- Each strategy that was tried or rejected within a healing.
CREATE TABLE healing_attempts (
    id          uuid NOT NULL,
    at          timestamptz NOT NULL,
    report_id   uuid NOT NULL,
    position    integer NOT NULL,
    strategy    varchar(100) NOT NULL,
    params      jsonb,
    target      varchar(255),
    outcome     varchar(24) NOT NULL,
    reason      text,
    started_at  timestamptz,
    duration_ms double precision,
    quota_cost  double precision,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

CREATE TABLE healing_attempts_default PARTITION OF healing_attempts DEFAULT;
INSERT INTO partition_rules VALUES ('healing_attempts', 'at');

CREATE INDEX healing_attempts_report_id ON healing_attempts (report_id);
