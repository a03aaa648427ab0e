-- +goose Up
ALTER TABLE credentials ADD COLUMN IF NOT EXISTS
    must_change BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'an administrator has set the password';

ALTER TABLE sessions ADD COLUMN IF NOT EXISTS
    must_change_password BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'usable for the change of the password only';

-- The sweeper looks for sessions that have expired but not ended, and for
-- those that ended long ago.
ALTER TABLE sessions ADD INDEX IF NOT EXISTS sessions_expiry (revoked_at, expires_at);
ALTER TABLE sessions ADD INDEX IF NOT EXISTS sessions_idle (revoked_at, last_seen_at);

CREATE TABLE IF NOT EXISTS idempotency_keys (
    actor_id    BIGINT NOT NULL COMMENT 'user who sent the request',
    request_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'Idempotency-Key',
    key_id      VARCHAR(32) NOT NULL,
    fingerprint CHAR(64) NOT NULL COMMENT 'MAC of the request',
    answer      TEXT NOT NULL COMMENT 'the user as it was answered, JSON',
    created_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (actor_id, request_key) CLUSTERED
) COMMENT = 'not fed to Kafka' TTL = created_at + INTERVAL 1 DAY;

-- One row, which a transaction holds while it takes an administrator away.
CREATE TABLE IF NOT EXISTS admin_guard (
    id TINYINT NOT NULL,
    PRIMARY KEY (id) CLUSTERED
) COMMENT = 'not fed to Kafka';
INSERT IGNORE INTO admin_guard (id) VALUES (1);

-- +goose Down
DROP TABLE IF EXISTS admin_guard;
DROP TABLE IF EXISTS idempotency_keys;
ALTER TABLE sessions DROP INDEX IF EXISTS sessions_idle;
ALTER TABLE sessions DROP INDEX IF EXISTS sessions_expiry;
ALTER TABLE sessions DROP COLUMN IF EXISTS must_change_password;
ALTER TABLE credentials DROP COLUMN IF EXISTS must_change;
