-- save_alerts --
-- Each alert of one JSON array, new or changed; acknowledgement and incident are left as they are.
INSERT INTO alerts AS known (
    id, fingerprint, at, level, title, message, source, endpoint, code, cluster, health_status, error_rate,
    felt, affected_endpoints, healing_attempted, healing_successful, tried, recommended_actions,
    auto_resolve, state, occurrences, resolved_at
)
SELECT
    id, fingerprint, at, level, title, message, source, endpoint, code, cluster, health_status, error_rate,
    felt, affected_endpoints, healing_attempted, healing_successful, tried, recommended_actions,
    auto_resolve, state, occurrences, resolved_at
  FROM jsonb_populate_recordset(NULL::alerts, $1::text::jsonb)
    ON CONFLICT (id) DO UPDATE SET
    level = EXCLUDED.level,
    title = EXCLUDED.title,
    message = EXCLUDED.message,
    health_status = EXCLUDED.health_status,
    error_rate = EXCLUDED.error_rate,
    felt = EXCLUDED.felt,
    affected_endpoints = EXCLUDED.affected_endpoints,
    healing_attempted = EXCLUDED.healing_attempted,
    healing_successful = EXCLUDED.healing_successful,
    tried = EXCLUDED.tried,
    recommended_actions = EXCLUDED.recommended_actions,
    state = EXCLUDED.state,
    occurrences = EXCLUDED.occurrences,
    resolved_at = EXCLUDED.resolved_at;

-- load_open_alerts --
-- Oldest first; lists as text whatever the connection makes of jsonb.
SELECT
    id, fingerprint, at, level, title, message, source, endpoint, code, cluster, health_status, error_rate,
    felt::text AS felt, affected_endpoints::text AS affected_endpoints, healing_attempted, healing_successful,
    tried::text AS tried, recommended_actions::text AS recommended_actions,
    auto_resolve, state, occurrences, resolved_at
  FROM alerts
 WHERE state = 'firing'
 ORDER BY at, id;
