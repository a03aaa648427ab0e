-- +goose Up
-- A credential is genuine only as the newest one: an older one that is put
-- back by hand has a MAC that verifies, but the seq of another event.
ALTER TABLE users ADD COLUMN IF NOT EXISTS password_seq BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'the event that set the password, 0 while not known';

-- +goose Down
ALTER TABLE users DROP COLUMN IF EXISTS password_seq;
