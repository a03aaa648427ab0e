-- +goose Up
ALTER TABLE projection_dead_letters
    ADD COLUMN IF NOT EXISTS size BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'bytes of the record, of which value may be the beginning',
    ADD COLUMN IF NOT EXISTS digest CHAR(64) NOT NULL DEFAULT '' COMMENT 'SHA-256 of the record',
    ADD COLUMN IF NOT EXISTS kafka_at DATETIME(3) NULL COMMENT 'timestamp of the record',
    ADD COLUMN IF NOT EXISTS seen_at DATETIME(3) NULL COMMENT 'not derived from the topics';
UPDATE projection_dead_letters SET size = LENGTH(value), digest = SHA2(value, 256) WHERE digest = '';

-- What verification has read of genuine waivers. Those of the audit log's live
-- generation hold for every projection but the audit log's other generations,
-- which have their own.
CREATE TABLE IF NOT EXISTS projection_audit_waivers (
    generation      INT UNSIGNED NOT NULL COMMENT 'of the audit log',
    commit_ts       BIGINT UNSIGNED NOT NULL,
    event_id        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    projection      VARCHAR(32) NOT NULL COMMENT 'whose dead letter is waived',
    topic           VARCHAR(249) NOT NULL,
    topic_id        CHAR(36) NOT NULL,
    kafka_partition INT UNSIGNED NOT NULL,
    kafka_offset    BIGINT UNSIGNED NOT NULL,
    digest          CHAR(64) NOT NULL COMMENT 'SHA-256 of the record',
    reason          VARCHAR(500) NOT NULL,
    waived_by       VARCHAR(64) NOT NULL,
    PRIMARY KEY (generation, commit_ts, event_id, projection) CLUSTERED,
    KEY waivers_record (generation, projection, topic, kafka_partition, kafka_offset)
);

-- +goose Down
DROP TABLE IF EXISTS projection_audit_waivers;
ALTER TABLE projection_dead_letters
    DROP COLUMN IF EXISTS seen_at,
    DROP COLUMN IF EXISTS kafka_at,
    DROP COLUMN IF EXISTS digest,
    DROP COLUMN IF EXISTS size;
