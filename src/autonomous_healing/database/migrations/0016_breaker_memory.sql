-- What else of a circuit outlives a restart: a stated reset, a slow start, and an operator's word.
ALTER TABLE breaker_state
    ADD COLUMN reset_until   timestamptz,
    ADD COLUMN steady_at     timestamptz,
    ADD COLUMN forced        varchar(10),
    ADD COLUMN forced_reason text,
    ADD COLUMN forced_by     text,
    ADD COLUMN forced_until  timestamptz;
