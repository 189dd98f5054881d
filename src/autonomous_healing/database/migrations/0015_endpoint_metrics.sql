-- What became of each endpoint's calls in a minute, an hour, a day: few rows, so no partitions. `latencies`
-- counts good answers by how long they took, in buckets of equal ratio, so that quantiles of any span can be told.
CREATE TABLE endpoint_metrics (
    bucket        timestamptz NOT NULL,
    resolution    integer NOT NULL CHECK (resolution IN (60, 3600, 86400)),
    source        varchar(50) NOT NULL,
    endpoint      varchar(255) NOT NULL,
    requests      bigint NOT NULL DEFAULT 0,
    failures      bigint NOT NULL DEFAULT 0,
    caller_errors bigint NOT NULL DEFAULT 0,
    healed        bigint NOT NULL DEFAULT 0,
    stale         bigint NOT NULL DEFAULT 0,
    substitute    bigint NOT NULL DEFAULT 0,
    felt          jsonb NOT NULL DEFAULT '{}',
    p50           double precision,
    p95           double precision,
    p99           double precision,
    latencies     jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (bucket, resolution, source, endpoint)
);
CREATE INDEX endpoint_metrics_of_one ON endpoint_metrics (source, endpoint, resolution, bucket DESC);
