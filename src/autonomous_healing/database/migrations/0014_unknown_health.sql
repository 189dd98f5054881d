-- What is not known of an endpoint is NULL: neither 0 nor 100.
ALTER TABLE endpoint_health
    ALTER COLUMN error_rate DROP NOT NULL,
    ALTER COLUMN error_rate DROP DEFAULT,
    ALTER COLUMN avg_response_time DROP NOT NULL,
    ALTER COLUMN avg_response_time DROP DEFAULT,
    ALTER COLUMN uptime_percentage DROP NOT NULL,
    ALTER COLUMN uptime_percentage DROP DEFAULT,
    ALTER COLUMN healed_share DROP NOT NULL,
    ALTER COLUMN healed_share DROP DEFAULT;
