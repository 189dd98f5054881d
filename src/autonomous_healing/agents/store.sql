-- save_status --
-- The heartbeat of every agent; the newest wins.
INSERT INTO agent_status (name, state, last_success, last_error, restarts, inbox_depth, processed, updated_at)
SELECT name, state, last_success, last_error, restarts, inbox_depth, processed, now()
  FROM jsonb_to_recordset($1::jsonb) AS row(
       name text, state text, last_success timestamptz, last_error text, restarts int,
       inbox_depth int, processed bigint)
ON CONFLICT (name) DO UPDATE
   SET state = excluded.state, last_success = excluded.last_success, last_error = excluded.last_error,
       restarts = excluded.restarts, inbox_depth = excluded.inbox_depth, processed = excluded.processed,
       updated_at = excluded.updated_at;
