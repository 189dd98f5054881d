-- insert_rows --
-- A batch of rows of one table as one JSON array; a row that is already there is left as it is.
INSERT INTO {table} ({columns})
SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb)
    ON CONFLICT DO NOTHING;

-- ensure_partitions --
-- Daily partitions from yesterday to a week ahead; returns how many were made.
SELECT ensure_partitions($1);

-- drop_old_partitions --
-- Partitions that ended more than so many days ago; returns their names.
SELECT drop_old_partitions($1, $2);

-- create_schema --
-- The home of all our tables.
CREATE SCHEMA IF NOT EXISTS {schema};

-- create_bookkeeping --
-- Which migrations were applied, and the checksum of each as it was then.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   char(64) NOT NULL,
    applied_at timestamptz NOT NULL
);

-- lock_migrations --
-- One migrator at a time in one schema, across processes and machines, until its transaction ends.
SELECT pg_advisory_xact_lock(hashtext('autonomous_healing migrations ' || $1));

-- applied_migrations --
-- What this database has been through.
SELECT version, name, checksum FROM schema_migrations ORDER BY version;

-- note_migration --
-- In the same transaction as the migration itself.
INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4);

-- role_exists --
-- Whether the product's own role was made before.
SELECT 1 FROM pg_roles WHERE rolname = 'healing';

-- create_role --
-- The product is no superuser of its own server.
CREATE ROLE healing LOGIN;

-- database_exists --
-- Whether the product's database was made before.
SELECT 1 FROM pg_database WHERE datname = 'autonomous_healing';

-- create_database --
-- Owned by the product's role, which makes its schema there.
CREATE DATABASE autonomous_healing OWNER healing;
