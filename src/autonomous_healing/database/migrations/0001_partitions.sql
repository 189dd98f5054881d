-- Daily partitions: made ahead of time, dropped when old. The DEFAULT partition of each table takes what fits
-- nowhere else, so that no row is ever refused for its date.
CREATE TABLE partition_rules (
    table_name  text PRIMARY KEY,
    time_column text NOT NULL
);

CREATE FUNCTION add_partition(parent text, time_column text, day date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    piece  text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
    spare  text := parent || '_default';
    starts timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends   timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass(quote_ident(piece)) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Rows of that day may already lie in the DEFAULT partition; they move before the new one is attached.
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', spare);
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', piece, parent);
    EXECUTE format(
        'WITH moved AS (DELETE FROM %I WHERE %I >= $1 AND %I < $2 RETURNING *) INSERT INTO %I SELECT * FROM moved',
        spare, time_column, time_column, piece) USING starts, ends;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, piece, starts, ends);
    RETURN true;
END
$$;

CREATE FUNCTION ensure_partitions(moment timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    today date := (moment AT TIME ZONE 'UTC')::date;
    rule  partition_rules;
    made  integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('autonomous_healing partitions ' || current_schema()));
    FOR rule IN SELECT * FROM partition_rules ORDER BY table_name LOOP
        FOR ahead IN -1..7 LOOP
            IF add_partition(rule.table_name, rule.time_column, today + ahead) THEN
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

CREATE FUNCTION drop_old_partitions(moment timestamptz, retention_days integer) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    oldest date := (moment AT TIME ZONE 'UTC')::date - retention_days;
    rule   partition_rules;
    piece  text;
BEGIN
    IF retention_days < 1 THEN
        RAISE EXCEPTION 'partitions younger than a day are not dropped';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('autonomous_healing partitions ' || current_schema()));
    FOR rule IN SELECT * FROM partition_rules ORDER BY table_name LOOP
        FOR piece IN
            SELECT child.relname
              FROM pg_inherits
              JOIN pg_class child ON child.oid = inhrelid
             WHERE inhparent = quote_ident(rule.table_name)::regclass
               AND child.relname ~ '_\d{8}$'
               AND to_date(right(child.relname, 8), 'YYYYMMDD') < oldest
             ORDER BY child.relname
        LOOP
            EXECUTE format('DROP TABLE %I', piece);
            RETURN NEXT piece;
        END LOOP;
        -- 5000 rows a step, so that no one waits long for the DEFAULT partition.
        EXECUTE format(
            'DELETE FROM %I WHERE ctid IN (SELECT ctid FROM %I WHERE %I < $1 LIMIT 5000)',
            rule.table_name || '_default', rule.table_name || '_default', rule.time_column)
            USING oldest::timestamp AT TIME ZONE 'UTC';
    END LOOP;
END
$$;
