-- save_breakers --
-- Every circuit that was ever open or in an operator's hands, by target.
INSERT INTO breaker_state (target, state, n, opened_at, until, reason, reset_until, steady_at,
                           forced, forced_reason, forced_by, forced_until, changed_at)
SELECT target, state, n, opened_at, until, reason, reset_until, steady_at,
       forced, forced_reason, forced_by, forced_until, changed_at
  FROM jsonb_to_recordset($1::jsonb) AS row(
       target text, state text, n int, opened_at timestamptz, until timestamptz, reason text,
       reset_until timestamptz, steady_at timestamptz, forced text, forced_reason text, forced_by text,
       forced_until timestamptz, changed_at timestamptz)
ON CONFLICT (target) DO UPDATE
   SET state = excluded.state, n = excluded.n, opened_at = excluded.opened_at, until = excluded.until,
       reason = excluded.reason, reset_until = excluded.reset_until, steady_at = excluded.steady_at,
       forced = excluded.forced, forced_reason = excluded.forced_reason, forced_by = excluded.forced_by,
       forced_until = excluded.forced_until, changed_at = excluded.changed_at;

-- load_breakers --
-- Circuits of which there was something to know when they were last written.
SELECT target, state, n, opened_at, until, reason, reset_until, steady_at,
       forced, forced_reason, forced_by, forced_until, changed_at
  FROM breaker_state
 WHERE state <> 'closed' OR n > 0 OR steady_at IS NOT NULL OR forced IS NOT NULL;
