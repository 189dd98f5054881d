-- save_metrics --
-- Each span as it stands; a later count of the same span takes its place.
INSERT INTO endpoint_metrics (bucket, resolution, source, endpoint, requests, failures, caller_errors,
                              healed, stale, substitute, felt, p50, p95, p99, latencies)
SELECT bucket, resolution, source, endpoint, requests, failures, caller_errors,
       healed, stale, substitute, felt, p50, p95, p99, latencies
  FROM jsonb_to_recordset($1::jsonb) AS row(
       bucket timestamptz, resolution int, source text, endpoint text, requests bigint, failures bigint,
       caller_errors bigint, healed bigint, stale bigint, substitute bigint, felt jsonb,
       p50 double precision, p95 double precision, p99 double precision, latencies jsonb)
ON CONFLICT (bucket, resolution, source, endpoint) DO UPDATE
   SET requests = excluded.requests, failures = excluded.failures, caller_errors = excluded.caller_errors,
       healed = excluded.healed, stale = excluded.stale, substitute = excluded.substitute,
       felt = excluded.felt, p50 = excluded.p50, p95 = excluded.p95, p99 = excluded.p99,
       latencies = excluded.latencies;

-- written_metrics --
-- What is written of some spans: counting goes on from there.
SELECT bucket, resolution, source, endpoint, requests, failures, caller_errors, felt::text, latencies::text
  FROM endpoint_metrics
  JOIN jsonb_to_recordset($1::jsonb) AS span(bucket timestamptz, resolution int, source text, endpoint text)
 USING (bucket, resolution, source, endpoint);

-- prune_metrics --
-- Minutes are kept for 7 days, hours for 90, days for 5 years; 5000 rows a step, so that nobody waits long.
DELETE FROM endpoint_metrics
 WHERE ctid IN (
       SELECT ctid FROM endpoint_metrics
        WHERE bucket < $1::timestamptz - CASE resolution
                       WHEN 60 THEN interval '7 days'
                       WHEN 3600 THEN interval '90 days'
                       ELSE interval '5 years' END
        LIMIT 5000);
