-- +goose Up
CREATE TABLE IF NOT EXISTS projection_checkpoints (
    projection      VARCHAR(32) NOT NULL,
    generation      INT UNSIGNED NOT NULL,
    topic           VARCHAR(249) NOT NULL,
    kafka_partition INT UNSIGNED NOT NULL,
    topic_id        CHAR(36) NOT NULL COMMENT 'Kafka gives a recreated topic another id',
    first_offset    BIGINT UNSIGNED NOT NULL COMMENT 'where this generation began to read',
    next_offset     BIGINT UNSIGNED NOT NULL COMMENT 'everything before it is projected',
    watermark       BIGINT UNSIGNED NOT NULL COMMENT 'TSO, 0 before the first one',
    PRIMARY KEY (projection, generation, topic, kafka_partition) CLUSTERED
);

CREATE TABLE IF NOT EXISTS projection_dead_letters (
    projection      VARCHAR(32) NOT NULL,
    generation      INT UNSIGNED NOT NULL,
    topic           VARCHAR(249) NOT NULL,
    kafka_partition INT UNSIGNED NOT NULL,
    kafka_offset    BIGINT UNSIGNED NOT NULL,
    value           LONGBLOB NOT NULL,
    reason          TEXT NOT NULL,
    PRIMARY KEY (projection, generation, topic, kafka_partition, kafka_offset) CLUSTERED
);

-- One row for each event and for each changed row of a transaction. The
-- halves of a split UPDATE share the primary key and fill old_row and new_row
-- in whichever order they come.
CREATE TABLE IF NOT EXISTS projection_audit_entries (
    commit_ts       BIGINT UNSIGNED NOT NULL,
    table_name      VARCHAR(64) NOT NULL,
    row_key         VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    source          VARCHAR(8) NOT NULL COMMENT 'event or change',
    event_type      VARCHAR(64) NULL,
    user_id         BIGINT NULL,
    username        VARCHAR(255) NULL,
    ip              VARCHAR(45) NULL,
    seq             BIGINT UNSIGNED NULL,
    old_row         LONGTEXT NULL COMMENT 'cells as JSON, as they came over the wire',
    new_row         LONGTEXT NULL,
    topic           VARCHAR(249) NOT NULL,
    kafka_partition INT UNSIGNED NOT NULL,
    kafka_offset    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (commit_ts, table_name, row_key) CLUSTERED
);

-- +goose Down
DROP TABLE IF EXISTS projection_audit_entries;
DROP TABLE IF EXISTS projection_dead_letters;
DROP TABLE IF EXISTS projection_checkpoints;
