-- +goose Up
-- What processes that serve HTTP want done to projections, which only
-- consumers may write.
CREATE TABLE IF NOT EXISTS tasks (
    id         CHAR(36) NOT NULL COMMENT 'UUID v7',
    kind       VARCHAR(16) NOT NULL COMMENT 'rebuild, rollback or retry',
    projection VARCHAR(32) NOT NULL COMMENT 'empty for all',
    asked_by   VARCHAR(255) NOT NULL,
    details    TEXT NOT NULL COMMENT 'JSON',
    asked_at   DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NOT NULL COMMENT 'nobody takes it up after that',
    tries      INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how often a consumer has taken it up',
    begun_at   DATETIME(6) NULL COMMENT 'when it was clear that it is not refused',
    ended_at   DATETIME(6) NULL,
    refusal    VARCHAR(16) NOT NULL DEFAULT '' COMMENT 'the kind of the error, empty for any other one',
    error      TEXT NULL,
    result     LONGTEXT NULL COMMENT 'JSON',
    PRIMARY KEY (id) CLUSTERED,
    KEY tasks_open (ended_at, asked_at)
);

-- +goose Down
DROP TABLE IF EXISTS tasks;
