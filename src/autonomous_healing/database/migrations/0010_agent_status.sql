-- The last heartbeat of each agent.
CREATE TABLE agent_status (
    name         varchar(100) PRIMARY KEY,
    state        varchar(20) NOT NULL,
    last_success timestamptz,
    last_error   text,
    restarts     integer NOT NULL DEFAULT 0,
    inbox_depth  integer NOT NULL DEFAULT 0,
    processed    bigint NOT NULL DEFAULT 0,
    updated_at   timestamptz NOT NULL DEFAULT now()
);
