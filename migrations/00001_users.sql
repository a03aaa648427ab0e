-- +goose Up
-- DDL commits statement by statement: IF NOT EXISTS lets a migration that was
-- interrupted run again.
CREATE TABLE IF NOT EXISTS users (
    id               BIGINT NOT NULL AUTO_INCREMENT,
    username         VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci NOT NULL,
    role             VARCHAR(16) NOT NULL,
    status           VARCHAR(16) NOT NULL,
    token_hash       CHAR(64) NULL COMMENT 'SHA-256 of the newest token, hex',
    token_expires_at DATETIME(6) NULL,
    last_login_at    DATETIME(6) NULL,
    event_seq        BIGINT UNSIGNED NOT NULL COMMENT 'head of the chain of events of this user',
    event_hash       CHAR(64) NOT NULL,
    created_at       DATETIME(6) NOT NULL,
    updated_at       DATETIME(6) NOT NULL,
    PRIMARY KEY (id) CLUSTERED,
    UNIQUE KEY users_username (username)
) AUTO_ID_CACHE 1 COMMENT = 'fed to Kafka';

CREATE TABLE IF NOT EXISTS credentials (
    user_id       BIGINT NOT NULL,
    password_hash VARCHAR(255) NOT NULL COMMENT 'argon2id, PHC string',
    event_seq     BIGINT UNSIGNED NOT NULL COMMENT 'the event that set the password',
    key_id        VARCHAR(32) NOT NULL,
    mac           CHAR(64) NOT NULL,
    PRIMARY KEY (user_id) CLUSTERED
) COMMENT = 'not fed to Kafka';

CREATE TABLE IF NOT EXISTS sessions (
    id           CHAR(36) NOT NULL,
    user_id      BIGINT NOT NULL,
    token_hash   CHAR(64) NOT NULL COMMENT 'SHA-256 of the token, hex',
    issued_at    DATETIME(6) NOT NULL,
    expires_at   DATETIME(6) NOT NULL,
    last_seen_at DATETIME(6) NOT NULL,
    revoked_at   DATETIME(6) NULL,
    key_id       VARCHAR(32) NOT NULL,
    mac          CHAR(64) NOT NULL,
    PRIMARY KEY (id) CLUSTERED,
    UNIQUE KEY sessions_token_hash (token_hash),
    KEY sessions_user_id (user_id)
) COMMENT = 'not fed to Kafka';

CREATE TABLE IF NOT EXISTS login_attempts (
    subject        VARCHAR(64) NOT NULL COMMENT 'user:ID, or unknown:BUCKET for a name that nobody has',
    failures       INT UNSIGNED NOT NULL COMMENT 'since the last success',
    first_failed_at DATETIME(6) NOT NULL,
    last_failed_at DATETIME(6) NOT NULL,
    PRIMARY KEY (subject) CLUSTERED
) COMMENT = 'not fed to Kafka';

-- +goose Down
DROP TABLE IF EXISTS login_attempts;
DROP TABLE IF EXISTS sessions;
DROP TABLE IF EXISTS credentials;
DROP TABLE IF EXISTS users;
