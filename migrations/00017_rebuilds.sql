-- +goose Up
CREATE TABLE IF NOT EXISTS projection_rebuilds (
    projection  VARCHAR(32) NOT NULL,
    run         CHAR(36) NOT NULL,
    asked_by    VARCHAR(255) NOT NULL COMMENT 'a username, or cli',
    verify_only BOOLEAN NOT NULL,
    accept_diff BOOLEAN NOT NULL,
    began_at    DATETIME(6) NOT NULL,
    ended_at    DATETIME(6) NULL,
    stage       VARCHAR(16) NOT NULL,
    generation  INT UNSIGNED NOT NULL COMMENT '0 until it is known',
    read_before BIGINT NOT NULL COMMENT 'messages that the generation had read when the run began to read',
    reading_at  DATETIME(6) NULL COMMENT 'when it began to read',
    outcome     VARCHAR(16) NOT NULL COMMENT 'running, switched, equal, differs, failed or stopped',
    error       TEXT NOT NULL,
    result      LONGTEXT NULL COMMENT 'JSON',
    differences LONGTEXT NULL COMMENT 'JSON: the first rows that differ',
    PRIMARY KEY (projection) CLUSTERED
) COMMENT = 'the last rebuild of each projection';

-- +goose Down
DROP TABLE IF EXISTS projection_rebuilds;
