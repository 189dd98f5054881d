-- Stored answers, so that a restart does not ask for all of them again. Losing the table costs nothing but time.
CREATE TABLE response_cache (
    key         char(64) PRIMARY KEY,
    resource    char(64) NOT NULL,
    varies      text[] NOT NULL DEFAULT '{}',
    source      varchar(50) NOT NULL,
    endpoint    varchar(255) NOT NULL,
    kind        varchar(20) NOT NULL,
    status      integer NOT NULL,
    headers     jsonb NOT NULL,
    body        bytea NOT NULL,
    stored_at   timestamptz NOT NULL,
    fresh_until timestamptz NOT NULL,
    stale_until timestamptz NOT NULL,
    as_of       timestamptz,
    etag        text,
    hits        integer NOT NULL DEFAULT 0,
    checksum    bytea NOT NULL
);
-- Bodies are mostly compressed already.
ALTER TABLE response_cache ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX response_cache_resource ON response_cache (resource);
CREATE INDEX response_cache_source ON response_cache (source);
CREATE INDEX response_cache_stale_until ON response_cache (stale_until);
CREATE INDEX response_cache_stored_at ON response_cache (stored_at);
