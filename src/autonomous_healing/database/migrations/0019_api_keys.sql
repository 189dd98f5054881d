-- The keys of the sources: the state of each one in use, and those that are stored, encrypted.
CREATE TABLE api_keys (
    source               varchar(50) NOT NULL,
    alias                varchar(100) NOT NULL,
    ciphertext           bytea,
    former               bytea,
    fingerprint          bytea NOT NULL,
    state                varchar(20) NOT NULL DEFAULT 'ok',
    until                timestamptz,
    last_error           text NOT NULL DEFAULT '',
    excluded             jsonb NOT NULL DEFAULT '{}',
    purpose              text NOT NULL DEFAULT '',
    terms_allow_rotation boolean NOT NULL DEFAULT false,
    revision             integer NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL DEFAULT now(),
    rotated_at           timestamptz,
    PRIMARY KEY (source, alias)
);
