-- +goose Up
-- The column names are those of Debezium's outbox event router. Payload and
-- metadata are TEXT because a JSON column would rewrite the hashed bytes.
CREATE TABLE IF NOT EXISTS outbox (
    id            CHAR(36) NOT NULL,
    aggregatetype VARCHAR(64) NOT NULL,
    aggregateid   VARCHAR(64) NOT NULL,
    type          VARCHAR(64) NOT NULL,
    payload       TEXT NOT NULL,
    metadata      TEXT NOT NULL,
    seq           BIGINT UNSIGNED NOT NULL,
    prev_hash     CHAR(64) NOT NULL,
    hash          CHAR(64) NOT NULL,
    key_id        VARCHAR(32) NOT NULL,
    occurred_at   DATETIME(6) NOT NULL,
    PRIMARY KEY (id) CLUSTERED,
    UNIQUE KEY outbox_chain (aggregatetype, aggregateid, seq)
) COMMENT = 'fed to Kafka' TTL = occurred_at + INTERVAL 30 DAY;

CREATE TABLE IF NOT EXISTS event_chains (
    aggregatetype VARCHAR(64) NOT NULL,
    aggregateid   VARCHAR(64) NOT NULL,
    event_seq     BIGINT UNSIGNED NOT NULL,
    event_hash    CHAR(64) NOT NULL,
    PRIMARY KEY (aggregatetype, aggregateid) CLUSTERED
) COMMENT = 'not fed to Kafka: heads of the chains that belong to no user';

-- +goose Down
DROP TABLE IF EXISTS event_chains;
DROP TABLE IF EXISTS outbox;
