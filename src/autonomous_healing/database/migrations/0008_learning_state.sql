-- What the learner knows of one strategy under one key, per layer.
CREATE TABLE learning_state (
    layer      text NOT NULL,
    key        text NOT NULL,
    strategy   text NOT NULL,
    state      jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (layer, key, strategy)
);
