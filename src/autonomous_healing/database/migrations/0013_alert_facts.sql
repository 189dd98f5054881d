-- What an alert says of its fault, of what was tried and of what users felt.
ALTER TABLE alerts
    ADD COLUMN code    varchar(60) NOT NULL DEFAULT '*',
    ADD COLUMN cluster varchar(160) NOT NULL DEFAULT '*',
    ADD COLUMN tried   jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN felt    jsonb NOT NULL DEFAULT '{}';
