-- +goose Up
ALTER TABLE projection_generations
    ADD COLUMN IF NOT EXISTS complete_through BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'TSO, 0 before the first; it only moves forward';

-- What was ever read of a partition, also by generations that are pruned: a
-- rebuild must be able to read it again.
CREATE TABLE IF NOT EXISTS projection_reads (
    projection      VARCHAR(32) NOT NULL,
    topic           VARCHAR(249) NOT NULL,
    kafka_partition INT UNSIGNED NOT NULL,
    topic_id        CHAR(36) NOT NULL,
    first_offset    BIGINT UNSIGNED NOT NULL COMMENT 'the first one that was ever read',
    next_offset     BIGINT UNSIGNED NOT NULL COMMENT 'behind the last one that a retired generation has read',
    PRIMARY KEY (projection, topic, kafka_partition) CLUSTERED
);
INSERT IGNORE INTO projection_reads (projection, topic, kafka_partition, topic_id, first_offset, next_offset)
SELECT projection, topic, kafka_partition, MIN(topic_id), MIN(first_offset), MAX(next_offset)
FROM projection_checkpoints GROUP BY projection, topic, kafka_partition;

-- +goose Down
DROP TABLE IF EXISTS projection_reads;
ALTER TABLE projection_generations DROP COLUMN IF EXISTS complete_through;
