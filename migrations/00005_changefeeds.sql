-- +goose Up
-- What is known of each changefeed that ever fed the topics: a changefeed that
-- was removed and made anew begins at another start_ts, and what was committed
-- in between is nowhere.
CREATE TABLE IF NOT EXISTS changefeeds (
    changefeed_id  VARCHAR(128) NOT NULL,
    start_ts       BIGINT UNSIGNED NOT NULL,
    last_watermark BIGINT UNSIGNED NOT NULL COMMENT 'everything up to it was seen to arrive',
    late           BOOLEAN NOT NULL COMMENT 'there were users before the first changefeed',
    PRIMARY KEY (changefeed_id, start_ts) CLUSTERED
);

-- +goose Down
DROP TABLE IF EXISTS changefeeds;
