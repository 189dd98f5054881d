-- What each key has used of each limit of its source.
CREATE TABLE quota_counters (
    source     varchar(50) NOT NULL,
    key_alias  varchar(100) NOT NULL,
    "window"   varchar(20) NOT NULL,
    started_at timestamptz NOT NULL,
    used       bigint NOT NULL,
    declared   bigint,
    estimated  double precision,
    resets_at  timestamptz,
    calls      jsonb NOT NULL DEFAULT '{}',
    rests      jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (source, key_alias, "window")
);
