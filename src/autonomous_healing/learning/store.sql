-- save_learning_state --
-- A whole snapshot as one JSON array: rows that are new or changed are written, rows it no longer has go.
WITH snapshot AS (
    SELECT layer, key, strategy, state
      FROM jsonb_to_recordset($1::text::jsonb) AS entry (layer text, key text, strategy text, state jsonb)
), gone AS (
    DELETE FROM learning_state AS known
     WHERE NOT EXISTS (
        SELECT FROM snapshot
         WHERE (snapshot.layer, snapshot.key, snapshot.strategy) = (known.layer, known.key, known.strategy)
     )
)
INSERT INTO learning_state AS known (layer, key, strategy, state)
SELECT layer, key, strategy, state FROM snapshot
    ON CONFLICT (layer, key, strategy) DO UPDATE SET state = EXCLUDED.state, updated_at = now()
 WHERE known.state IS DISTINCT FROM EXCLUDED.state;

-- load_learning_state --
-- All of it, as text whatever the connection makes of jsonb.
SELECT layer, key, strategy, state::text AS state
  FROM learning_state
 ORDER BY layer, key, strategy;
