-- +goose Up
-- Notifications tell of what was committed after since_ts, when they were
-- first configured.
CREATE TABLE IF NOT EXISTS notification_start (
    id       TINYINT NOT NULL COMMENT 'always 1',
    since_ts BIGINT UNSIGNED NOT NULL COMMENT 'TSO',
    PRIMARY KEY (id) CLUSTERED
) COMMENT = 'not fed to Kafka';

CREATE TABLE IF NOT EXISTS notification_places (
    user_id BIGINT NOT NULL,
    kind    VARCHAR(8) NOT NULL COMMENT 'network or device',
    name    VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (user_id, kind, name) CLUSTERED
) COMMENT = 'not fed to Kafka: where users have signed in from, and with what';

-- Whatever becomes of the findings, each is told of once.
CREATE TABLE IF NOT EXISTS notification_findings (
    commit_ts  BIGINT UNSIGNED NOT NULL,
    table_name VARCHAR(64) NOT NULL,
    row_key    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    kind       VARCHAR(32) NOT NULL,
    PRIMARY KEY (commit_ts, table_name, row_key, kind) CLUSTERED
) COMMENT = 'not fed to Kafka: the findings that notifications were made of';

CREATE TABLE IF NOT EXISTS notifications (
    id          CHAR(36) NOT NULL COMMENT 'the same for the same event or finding and channel',
    channel     VARCHAR(16) NOT NULL COMMENT 'webhook or mail',
    type        VARCHAR(64) NOT NULL,
    body        TEXT NOT NULL COMMENT 'JSON, as it is sent',
    state       VARCHAR(8) NOT NULL COMMENT 'pending, sent, dead or expired',
    created_at  DATETIME(6) NOT NULL,
    began_at    DATETIME(6) NOT NULL COMMENT 'tries are bounded from here on',
    tries       INT UNSIGNED NOT NULL DEFAULT 0,
    next_try_at DATETIME(6) NOT NULL COMMENT 'while it is claimed: when the claim ends',
    claim       CHAR(36) NULL COMMENT 'of the process that sends it',
    reason      TEXT NULL COMMENT 'why the last try failed',
    finished_at DATETIME(6) NULL,
    PRIMARY KEY (id) CLUSTERED,
    KEY notifications_due (channel, state, next_try_at),
    KEY notifications_state (state, created_at, id),
    KEY notifications_claim (claim)
) COMMENT = 'not fed to Kafka' TTL = finished_at + INTERVAL 30 DAY;

-- +goose Down
DROP TABLE IF EXISTS notifications;
DROP TABLE IF EXISTS notification_findings;
DROP TABLE IF EXISTS notification_places;
DROP TABLE IF EXISTS notification_start;
