-- +goose Up
-- Derived from projection_audit_entries: what is wrong with the trail.
CREATE TABLE IF NOT EXISTS projection_audit_findings (
    commit_ts       BIGINT UNSIGNED NOT NULL,
    table_name      VARCHAR(64) NOT NULL,
    row_key         VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    kind            VARCHAR(32) NOT NULL,
    user_id         BIGINT NULL,
    username        VARCHAR(255) NULL,
    detail          TEXT NOT NULL,
    topic           VARCHAR(249) NOT NULL,
    kafka_partition INT UNSIGNED NOT NULL,
    kafka_offset    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (commit_ts, table_name, row_key, kind) CLUSTERED,
    KEY findings_kind (kind, commit_ts, table_name, row_key),
    KEY findings_user_id (user_id, commit_ts, table_name, row_key, kind)
);

-- How far the trail is verified. Whoever moves it holds the row.
CREATE TABLE IF NOT EXISTS projection_audit_verification (
    id               TINYINT NOT NULL COMMENT 'always 1',
    pass             BIGINT UNSIGNED NOT NULL COMMENT 'how often verification began anew',
    verified_through BIGINT UNSIGNED NOT NULL COMMENT 'TSO',
    state            MEDIUMTEXT NOT NULL COMMENT 'what the verifier keeps besides the chains, JSON',
    PRIMARY KEY (id) CLUSTERED
);
INSERT IGNORE INTO projection_audit_verification (id, pass, verified_through, state) VALUES (1, 0, 0, '{}');

CREATE TABLE IF NOT EXISTS projection_audit_chains (
    pass          BIGINT UNSIGNED NOT NULL COMMENT 'rows of another pass than the current one mean nothing',
    aggregatetype VARBINARY(256) NOT NULL,
    aggregateid   VARBINARY(256) NOT NULL,
    state         TEXT NOT NULL COMMENT 'what the verifier knows of the chain, JSON',
    PRIMARY KEY (pass, aggregatetype, aggregateid) CLUSTERED
);

-- +goose Down
DROP TABLE IF EXISTS projection_audit_chains;
DROP TABLE IF EXISTS projection_audit_verification;
DROP TABLE IF EXISTS projection_audit_findings;
