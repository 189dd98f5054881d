-- save_health --
-- The present reading of each endpoint; the newest wins.
INSERT INTO endpoint_health (source, endpoint, status, total_requests, failed_requests, error_rate,
                             avg_response_time, last_success, last_failure, consecutive_failures,
                             uptime_percentage, healed_share, felt, window_seconds, updated_at)
SELECT source, endpoint, status, total_requests, failed_requests, error_rate,
       avg_response_time, last_success, last_failure, consecutive_failures,
       uptime_percentage, healed_share, felt, 300, now()
  FROM jsonb_to_recordset($1::jsonb) AS row(
       source text, endpoint text, status text, total_requests int, failed_requests int,
       error_rate double precision, avg_response_time double precision, last_success timestamptz,
       last_failure timestamptz, consecutive_failures int, uptime_percentage double precision,
       healed_share double precision, felt jsonb)
ON CONFLICT (source, endpoint) DO UPDATE
   SET status = excluded.status, total_requests = excluded.total_requests,
       failed_requests = excluded.failed_requests, error_rate = excluded.error_rate,
       avg_response_time = excluded.avg_response_time, last_success = excluded.last_success,
       last_failure = excluded.last_failure, consecutive_failures = excluded.consecutive_failures,
       uptime_percentage = excluded.uptime_percentage, healed_share = excluded.healed_share,
       felt = excluded.felt, updated_at = excluded.updated_at;

-- load_health --
-- What was known when it was last written, if that still lies inside a window.
SELECT source, endpoint, status, total_requests, failed_requests, avg_response_time,
       last_success, last_failure, consecutive_failures, felt
  FROM endpoint_health
 WHERE updated_at > now() - interval '300 seconds';

-- count_events --
-- How many failures are stored since a moment.
SELECT count(*) AS events FROM error_events WHERE created_at >= $1;

-- healings_since --
-- What became of users' failed exchanges since a moment, with the two times that matter to them; a call that
-- we refused ourselves took no time to be seen, and is no exchange.
SELECT event.error_type, report.detect_ms, report.heal_ms, report.outcome
  FROM error_events event
  JOIN healing_reports report ON report.error_event_id = event.id
 WHERE event.origin = 'live' AND event.timestamp >= $1 AND event.response_time > 0;
