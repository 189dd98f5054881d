-- Each failure beside the first healing that cured it; the failure's own row is never updated.
CREATE VIEW error_events_with_cure AS
SELECT event.*,
       cure.id IS NOT NULL AS cured,
       cure.id             AS report_id,
       cure.at             AS cured_at,
       cure.strategy       AS cure_strategy,
       cure.fidelity       AS cure_fidelity,
       cure.source_used    AS cure_source,
       cure.heal_ms        AS heal_ms
  FROM error_events event
  LEFT JOIN LATERAL (
       SELECT *
         FROM healing_reports report
        WHERE report.error_event_id = event.id
          AND report.outcome = 'healed'
        ORDER BY report.at
        LIMIT 1
       ) cure ON true;
