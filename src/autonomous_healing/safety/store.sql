-- lock_chain --
-- One writer at a time in one schema, across processes and machines, until its transaction ends.
SELECT pg_advisory_xact_lock(hashtext('autonomous_healing audit ' || current_schema()));

-- head --
-- Where the chain ends.
SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1;

-- append --
-- The next link; its place is known because the chain is locked.
INSERT INTO audit_log (seq, at, actor, origin, action, subject, verdict, details, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- links_after --
-- A page of the chain in its order.
SELECT seq, at, actor, origin, action, subject, verdict, details, prev_hash, hash
  FROM audit_log
 WHERE seq > $1
 ORDER BY seq
 LIMIT $2;

-- newest_links --
-- A page of the latest, from one moment up to another, before one place in the chain.
SELECT seq, at, actor, origin, action, subject, verdict, details, prev_hash, hash
  FROM audit_log
 WHERE ($1::timestamptz IS NULL OR at >= $1)
   AND ($2::timestamptz IS NULL OR at < $2)
   AND ($3::bigint IS NULL OR seq < $3)
 ORDER BY seq DESC
 LIMIT $4;
