-- put_answer --
-- One answer, in the place of what the same key had before.
INSERT INTO response_cache (key, resource, varies, source, endpoint, kind, status, headers, body,
                            stored_at, fresh_until, stale_until, as_of, etag, hits, checksum)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (key) DO UPDATE
   SET resource = excluded.resource, varies = excluded.varies, source = excluded.source,
       endpoint = excluded.endpoint, kind = excluded.kind, status = excluded.status,
       headers = excluded.headers, body = excluded.body, stored_at = excluded.stored_at,
       fresh_until = excluded.fresh_until, stale_until = excluded.stale_until, as_of = excluded.as_of,
       etag = excluded.etag, hits = excluded.hits, checksum = excluded.checksum;

-- find_variants --
-- By which fields the answers to one question are chosen, newest first.
SELECT key, varies FROM response_cache WHERE resource = $1 ORDER BY stored_at DESC LIMIT 32;

-- read_answer --
-- One answer that is still of use.
SELECT key, resource, varies, source, endpoint, kind, status, headers, body, stored_at, fresh_until, stale_until,
       as_of, etag, hits, checksum
  FROM response_cache
 WHERE key = $1 AND stale_until > $2;

-- remove_answers --
-- All answers to some questions.
DELETE FROM response_cache WHERE resource = ANY($1::text[]);

-- remove_source --
-- All answers from one source, or from one of its endpoints.
DELETE FROM response_cache WHERE source = $1 AND ($2::text IS NULL OR endpoint = $2);

-- sweep_over --
-- Some of those that are of no use any more.
DELETE FROM response_cache
 WHERE key IN (SELECT key FROM response_cache WHERE stale_until <= $1 ORDER BY stale_until LIMIT 5000);

-- sweep_surplus --
-- Some of the oldest, where there are too many or they are too large together.
DELETE FROM response_cache
 WHERE key IN (SELECT key
                 FROM (SELECT key,
                              row_number() OVER newest AS number,
                              sum(octet_length(body)) OVER newest AS bytes
                         FROM response_cache
                       WINDOW newest AS (ORDER BY stored_at DESC, key)) AS counted
                WHERE number > $1 OR bytes > $2
                LIMIT 5000);
