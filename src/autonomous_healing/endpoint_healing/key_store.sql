-- load_keys --
-- All keys; those that are stored in the order in which they came.
SELECT source, alias, ciphertext, former, fingerprint, state, until, last_error, excluded, purpose,
       terms_allow_rotation, revision, created_at, rotated_at
  FROM api_keys
 ORDER BY source, created_at, alias;

-- note_keys --
-- Keys of the environment that are not known yet, or whose secret is another one by now.
INSERT INTO api_keys (source, alias, fingerprint, state, until, last_error, excluded, terms_allow_rotation)
SELECT source, alias, decode(fingerprint, 'hex'), state, until, last_error, excluded, terms_allow_rotation
  FROM jsonb_to_recordset($1::jsonb) AS row(
       source text, alias text, fingerprint text, state text, until timestamptz, last_error text,
       excluded jsonb, terms_allow_rotation boolean)
ON CONFLICT (source, alias) DO UPDATE
   SET fingerprint = excluded.fingerprint, state = excluded.state, until = excluded.until,
       last_error = excluded.last_error, excluded = excluded.excluded,
       terms_allow_rotation = excluded.terms_allow_rotation, revision = api_keys.revision + 1
 WHERE api_keys.ciphertext IS NULL
RETURNING source, alias, revision;

-- save_states --
-- What became of keys; not of those that somebody else has changed meanwhile.
UPDATE api_keys AS known
   SET state = row.state, until = row.until, last_error = row.last_error, excluded = row.excluded,
       terms_allow_rotation = row.terms_allow_rotation, revision = known.revision + 1
  FROM jsonb_to_recordset($1::jsonb) AS row(
       source text, alias text, state text, until timestamptz, last_error text, excluded jsonb,
       terms_allow_rotation boolean, revision integer)
 WHERE known.source = row.source AND known.alias = row.alias AND known.revision = row.revision
RETURNING known.source, known.alias, known.revision;

-- forget_keys --
-- Keys of the environment of these sources that are there no more.
DELETE FROM api_keys AS known
 USING jsonb_to_recordset($1::jsonb) AS row(source text, aliases text[])
 WHERE known.source = row.source AND known.ciphertext IS NULL AND NOT known.alias = ANY (row.aliases);

-- forget_former --
-- What was rotated away before that moment.
UPDATE api_keys SET former = NULL WHERE former IS NOT NULL AND rotated_at < $1;

-- encrypt_anew --
-- The same secrets by another encryption key, unless the row was changed meanwhile.
UPDATE api_keys SET ciphertext = $3, former = $4 WHERE source = $1 AND alias = $2 AND revision = $5;

-- add_key --
-- One more stored key; nothing where the alias is taken.
INSERT INTO api_keys (source, alias, ciphertext, fingerprint, purpose)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
RETURNING alias;

-- rotate_key --
-- Another secret for a stored key, which starts anew; the one before is kept.
UPDATE api_keys
   SET former = ciphertext, ciphertext = $3, fingerprint = $4, state = 'ok', until = NULL, last_error = '',
       excluded = '{}', rotated_at = $5, revision = revision + 1
 WHERE source = $1 AND alias = $2 AND ciphertext IS NOT NULL
RETURNING alias;

-- rotate_key_back --
-- The secret before the last rotation.
UPDATE api_keys
   SET ciphertext = former, former = NULL, fingerprint = $3, state = 'ok', until = NULL, last_error = '',
       excluded = '{}', rotated_at = NULL, revision = revision + 1
 WHERE source = $1 AND alias = $2 AND former IS NOT NULL
RETURNING alias;

-- remove_key --
-- A stored key, for good.
DELETE FROM api_keys WHERE source = $1 AND alias = $2 AND ciphertext IS NOT NULL RETURNING alias;

-- quarantine_key --
-- Out of use, until it is released.
UPDATE api_keys
   SET state = 'quarantined', until = NULL, last_error = $3, revision = revision + 1
 WHERE source = $1 AND alias = $2 AND state <> 'quarantined'
RETURNING alias;

-- release_key --
-- Back into use.
UPDATE api_keys
   SET state = 'ok', until = NULL, revision = revision + 1
 WHERE source = $1 AND alias = $2 AND state = 'quarantined'
RETURNING alias;
