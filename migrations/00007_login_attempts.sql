-- +goose Up
-- touched_at is when a row was last written; rows of the first version have
-- none and stay.
ALTER TABLE login_attempts
    MODIFY COLUMN subject VARCHAR(64) NOT NULL
        COMMENT 'user:ID, user:ID@NETWORK for a known network, or unknown:BUCKET for a name that nobody has',
    MODIFY COLUMN failures INT UNSIGNED NOT NULL COMMENT 'since first_failed_at, which begins the window',
    ADD COLUMN IF NOT EXISTS locks INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'in a row',
    ADD COLUMN IF NOT EXISTS locked_until DATETIME(6) NULL,
    ADD COLUMN IF NOT EXISTS reservations MEDIUMTEXT NULL COMMENT 'tries under way, JSON',
    ADD COLUMN IF NOT EXISTS touched_at DATETIME(6) NULL;
ALTER TABLE login_attempts TTL = touched_at + INTERVAL 7 DAY;

CREATE TABLE IF NOT EXISTS login_networks (
    user_id         BIGINT NOT NULL,
    network         VARCHAR(43) NOT NULL COMMENT '/24 of IPv4, /48 of IPv6',
    last_success_at DATETIME(6) NOT NULL COMMENT 'to the day',
    PRIMARY KEY (user_id, network) CLUSTERED
) COMMENT = 'not fed to Kafka: where users have signed in from' TTL = last_success_at + INTERVAL 90 DAY;

CREATE TABLE IF NOT EXISTS login_floods (
    aggregatetype VARCHAR(64) NOT NULL,
    aggregateid   VARCHAR(64) NOT NULL,
    minute        DATETIME NOT NULL,
    recorded      INT UNSIGNED NOT NULL COMMENT 'refused logins with an event each',
    counted       INT UNSIGNED NOT NULL COMMENT 'those without, from first_at to last_at',
    first_at      DATETIME(6) NULL,
    last_at       DATETIME(6) NULL,
    PRIMARY KEY (aggregatetype, aggregateid, minute) CLUSTERED,
    KEY login_floods_minute (minute)
) COMMENT = 'not fed to Kafka: refused logins of one chain and minute';

-- +goose Down
DROP TABLE IF EXISTS login_floods;
DROP TABLE IF EXISTS login_networks;
ALTER TABLE login_attempts REMOVE TTL;
ALTER TABLE login_attempts
    DROP COLUMN IF EXISTS touched_at,
    DROP COLUMN IF EXISTS reservations,
    DROP COLUMN IF EXISTS locked_until,
    DROP COLUMN IF EXISTS locks;
