-- Consequential acts, each tied to the one before it by its hash; rows are added and never changed.
CREATE TABLE audit_log (
    seq       bigint PRIMARY KEY CHECK (seq > 0),
    at        timestamptz NOT NULL,
    actor     text NOT NULL,
    origin    text NOT NULL,
    action    text NOT NULL,
    subject   text NOT NULL,
    verdict   text NOT NULL,
    details   jsonb NOT NULL,
    prev_hash char(64) NOT NULL,
    hash      char(64) NOT NULL
);

CREATE INDEX audit_log_at ON audit_log (at);

CREATE FUNCTION refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_log_is_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- The product's own role, too, is left with nothing but reading and adding.
REVOKE ALL ON audit_log FROM PUBLIC, CURRENT_USER;
GRANT SELECT, INSERT ON audit_log TO CURRENT_USER;
