-- +goose Up
-- A login looks for the live sessions of its user, among all that ended lately.
ALTER TABLE sessions ADD INDEX IF NOT EXISTS sessions_live (user_id, revoked_at, issued_at);
DROP INDEX IF EXISTS sessions_user_id ON sessions;

-- +goose Down
ALTER TABLE sessions ADD INDEX IF NOT EXISTS sessions_user_id (user_id);
DROP INDEX IF EXISTS sessions_live ON sessions;
