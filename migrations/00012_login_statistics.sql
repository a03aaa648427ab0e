-- +goose Up
CREATE TABLE IF NOT EXISTS projection_login_events (
    generation INT UNSIGNED NOT NULL,
    commit_ts  BIGINT UNSIGNED NOT NULL,
    row_key    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    measure    VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'logins, failures or lockouts',
    count      BIGINT NOT NULL COMMENT 'how many it stands for',
    user_id    BIGINT NULL COMMENT 'who logged in',
    lag_ms     BIGINT NOT NULL COMMENT 'milliseconds from the commit to Kafka, as they are counted; the least of repeats',
    PRIMARY KEY (generation, commit_ts, row_key) CLUSTERED
) COMMENT = 'the events that projection_login_counts has counted';

CREATE TABLE IF NOT EXISTS projection_login_users (
    generation INT UNSIGNED NOT NULL,
    period     VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'hour or day',
    starts_at  BIGINT NOT NULL COMMENT 'Unix time in seconds',
    user_id    BIGINT NOT NULL,
    PRIMARY KEY (generation, period, starts_at, user_id) CLUSTERED
) COMMENT = 'who logged in, which projection_login_counts has counted';

CREATE TABLE IF NOT EXISTS projection_login_counts (
    generation INT UNSIGNED NOT NULL,
    period     VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'hour or day',
    starts_at  BIGINT NOT NULL COMMENT 'Unix time in seconds',
    measure    VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'logins, failures, lockouts, users or lag',
    cell       BIGINT NOT NULL COMMENT 'the lag in milliseconds; 0 for the other measures',
    count      BIGINT NOT NULL,
    PRIMARY KEY (generation, period, starts_at, measure, cell) CLUSTERED
);

-- +goose Down
DROP TABLE IF EXISTS projection_login_counts;
DROP TABLE IF EXISTS projection_login_users;
DROP TABLE IF EXISTS projection_login_events;
DELETE FROM projection_checkpoints WHERE projection = 'logins';
DELETE FROM projection_dead_letters WHERE projection = 'logins';
DELETE FROM projection_generations WHERE projection = 'logins';
