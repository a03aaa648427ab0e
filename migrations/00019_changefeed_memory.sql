-- +goose Up
-- A changefeed that runs but that nobody ensured was put there by other means.
ALTER TABLE changefeeds
    ADD COLUMN IF NOT EXISTS ensured_at DATETIME(6) NULL DEFAULT '2000-01-01 00:00:00' COMMENT 'when it was last found as it must be, by whoever makes changefeeds; NULL: never';

-- A replacement that is under way, so that the next call can end what a killed
-- one has begun.
CREATE TABLE IF NOT EXISTS changefeed_replacements (
    changefeed_id VARCHAR(128) NOT NULL,
    old_start_ts  BIGINT UNSIGNED NOT NULL COMMENT 'of the changefeed that is replaced',
    checkpoint_ts BIGINT UNSIGNED NOT NULL COMMENT 'everything up to it is in Kafka',
    begun_at      DATETIME(6) NOT NULL,
    PRIMARY KEY (changefeed_id) CLUSTERED
);

-- +goose Down
DROP TABLE IF EXISTS changefeed_replacements;
ALTER TABLE changefeeds DROP COLUMN IF EXISTS ensured_at;
