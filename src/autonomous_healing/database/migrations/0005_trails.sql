-- The way of a healed or failed request, step by step, for people who want to know why.
CREATE TABLE trails (
    id       uuid NOT NULL,
    at       timestamptz NOT NULL,
    source   varchar(50) NOT NULL,
    endpoint varchar(255) NOT NULL,
    status   varchar(20) NOT NULL,
    body     jsonb NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

CREATE TABLE trails_default PARTITION OF trails DEFAULT;
INSERT INTO partition_rules VALUES ('trails', 'at');
