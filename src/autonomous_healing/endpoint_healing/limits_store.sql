-- save_counters --
-- The present count of each window; an older one never replaces a newer one.
INSERT INTO quota_counters (source, key_alias, "window", started_at, used, declared, estimated, resets_at,
                            calls, rests, updated_at)
SELECT source, key_alias, "window", started_at, used, declared, estimated, resets_at, calls, rests, updated_at
  FROM jsonb_to_recordset($1::jsonb) AS row(
       source text, key_alias text, "window" text, started_at timestamptz, used bigint, declared bigint,
       estimated double precision, resets_at timestamptz, calls jsonb, rests jsonb, updated_at timestamptz)
ON CONFLICT (source, key_alias, "window") DO UPDATE
   SET started_at = excluded.started_at, used = excluded.used, declared = excluded.declared,
       estimated = excluded.estimated, resets_at = excluded.resets_at, calls = excluded.calls,
       rests = excluded.rests, updated_at = excluded.updated_at
 WHERE quota_counters.updated_at <= excluded.updated_at;

-- load_counters --
-- Those that may still count: no window is longer than a month.
SELECT source, key_alias, "window", started_at, used, declared, estimated, resets_at, calls, rests, updated_at
  FROM quota_counters
 WHERE updated_at > $1;
