-- +goose Up
-- A generation is one making of a projection. Of each projection one is live;
-- one that is being built stands beside it, and those that were live before
-- are fed on until they are pruned. Checkpoints with fed set are moved by the
-- consumers, the others by whoever builds the generation.
CREATE TABLE IF NOT EXISTS projection_generations (
    projection VARCHAR(32) NOT NULL,
    generation INT UNSIGNED NOT NULL,
    state      VARCHAR(16) NOT NULL COMMENT 'building, live, standby, retired or pruned',
    began_at   DATETIME(6) NOT NULL,
    live_since DATETIME(6) NULL,
    PRIMARY KEY (projection, generation) CLUSTERED
);

ALTER TABLE projection_checkpoints
    ADD COLUMN IF NOT EXISTS fed BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'consumers write this generation',
    ADD COLUMN IF NOT EXISTS epoch BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'grows whenever another generation begins or ceases to be fed';

-- The entries begin anew, from the topics: a clustered key cannot be changed.
DROP TABLE IF EXISTS projection_audit_entries;
DELETE FROM projection_checkpoints WHERE projection = 'audit';
DELETE FROM projection_dead_letters WHERE projection = 'audit';
CREATE TABLE IF NOT EXISTS projection_audit_entries (
    generation      INT UNSIGNED NOT NULL,
    commit_ts       BIGINT UNSIGNED NOT NULL,
    table_name      VARCHAR(64) NOT NULL,
    row_key         VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    source          VARCHAR(8) NOT NULL COMMENT 'event or change',
    event_type      VARCHAR(64) NULL,
    user_id         BIGINT NULL,
    username        VARCHAR(255) NULL,
    ip              VARCHAR(45) NULL,
    seq             BIGINT UNSIGNED NULL,
    ddl_type        VARCHAR(16) NULL COMMENT 'schema changes only',
    old_row         LONGTEXT NULL COMMENT 'cells as JSON, as they came over the wire',
    new_row         LONGTEXT NULL,
    topic           VARCHAR(249) NOT NULL,
    kafka_partition INT UNSIGNED NOT NULL,
    kafka_offset    BIGINT UNSIGNED NOT NULL,
    kafka_at        DATETIME(3) NULL COMMENT 'timestamp of the record',
    projected_at    DATETIME(3) NULL COMMENT 'not derived from the topics',
    operation       VARCHAR(16) AS (
        CASE WHEN source = 'event' THEN NULL
             WHEN ddl_type IS NOT NULL THEN ddl_type
             WHEN old_row IS NULL THEN 'INSERT'
             WHEN new_row IS NULL THEN 'DELETE'
             ELSE 'UPDATE' END) VIRTUAL,
    PRIMARY KEY (generation, commit_ts, table_name, row_key) CLUSTERED,
    KEY audit_user_id (generation, user_id, commit_ts, table_name, row_key),
    KEY audit_username (generation, username, commit_ts, table_name, row_key),
    KEY audit_event_type (generation, event_type, commit_ts, table_name, row_key),
    KEY audit_operation (generation, operation, commit_ts, table_name, row_key),
    KEY audit_table (generation, table_name, commit_ts, row_key),
    KEY audit_source (generation, source, commit_ts, table_name, row_key),
    KEY audit_ip (generation, ip, commit_ts, table_name, row_key)
);

DROP TABLE IF EXISTS projection_audit_findings;
CREATE TABLE IF NOT EXISTS projection_audit_findings (
    generation      INT UNSIGNED NOT NULL,
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
    PRIMARY KEY (generation, commit_ts, table_name, row_key, kind) CLUSTERED,
    KEY findings_kind (generation, kind, commit_ts, table_name, row_key),
    KEY findings_user_id (generation, user_id, commit_ts, table_name, row_key, kind)
);

DROP TABLE IF EXISTS projection_audit_verification;
CREATE TABLE IF NOT EXISTS projection_audit_verification (
    generation       INT UNSIGNED NOT NULL,
    pass             BIGINT UNSIGNED NOT NULL COMMENT 'how often verification began anew',
    verified_through BIGINT UNSIGNED NOT NULL COMMENT 'TSO',
    state            MEDIUMTEXT NOT NULL COMMENT 'what the verifier keeps besides the chains, JSON',
    PRIMARY KEY (generation) CLUSTERED
);

DROP TABLE IF EXISTS projection_audit_chains;
CREATE TABLE IF NOT EXISTS projection_audit_chains (
    generation    INT UNSIGNED NOT NULL,
    pass          BIGINT UNSIGNED NOT NULL COMMENT 'rows of another pass than the current one mean nothing',
    aggregatetype VARBINARY(256) NOT NULL,
    aggregateid   VARBINARY(256) NOT NULL,
    state         TEXT NOT NULL COMMENT 'what the verifier knows of the chain, JSON',
    PRIMARY KEY (generation, pass, aggregatetype, aggregateid) CLUSTERED
);

-- Who works on the generations of a projection: told to those who are refused.
-- The lock itself is one of a connection.
CREATE TABLE IF NOT EXISTS lock_holders (
    name   VARCHAR(64) NOT NULL,
    holder VARCHAR(255) NOT NULL,
    since  DATETIME(6) NOT NULL,
    PRIMARY KEY (name) CLUSTERED
);

-- +goose Down
DROP TABLE IF EXISTS lock_holders;
DROP TABLE IF EXISTS projection_audit_chains;
CREATE TABLE IF NOT EXISTS projection_audit_chains (
    pass          BIGINT UNSIGNED NOT NULL COMMENT 'rows of another pass than the current one mean nothing',
    aggregatetype VARBINARY(256) NOT NULL,
    aggregateid   VARBINARY(256) NOT NULL,
    state         TEXT NOT NULL COMMENT 'what the verifier knows of the chain, JSON',
    PRIMARY KEY (pass, aggregatetype, aggregateid) CLUSTERED
);

DROP TABLE IF EXISTS projection_audit_verification;
CREATE TABLE IF NOT EXISTS projection_audit_verification (
    id               TINYINT NOT NULL COMMENT 'always 1',
    pass             BIGINT UNSIGNED NOT NULL COMMENT 'how often verification began anew',
    verified_through BIGINT UNSIGNED NOT NULL COMMENT 'TSO',
    state            MEDIUMTEXT NOT NULL COMMENT 'what the verifier keeps besides the chains, JSON',
    PRIMARY KEY (id) CLUSTERED
);
INSERT IGNORE INTO projection_audit_verification (id, pass, verified_through, state) VALUES (1, 0, 0, '{}');

DROP TABLE IF EXISTS projection_audit_findings;
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

DROP TABLE IF EXISTS projection_audit_entries;
DELETE FROM projection_checkpoints;
DELETE FROM projection_dead_letters;
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
    ddl_type        VARCHAR(16) NULL COMMENT 'schema changes only',
    kafka_at        DATETIME(3) NULL COMMENT 'timestamp of the record',
    projected_at    DATETIME(3) NULL COMMENT 'not derived from the topics',
    operation       VARCHAR(16) AS (
        CASE WHEN source = 'event' THEN NULL
             WHEN ddl_type IS NOT NULL THEN ddl_type
             WHEN old_row IS NULL THEN 'INSERT'
             WHEN new_row IS NULL THEN 'DELETE'
             ELSE 'UPDATE' END) VIRTUAL,
    PRIMARY KEY (commit_ts, table_name, row_key) CLUSTERED,
    KEY audit_user_id (user_id, commit_ts, table_name, row_key),
    KEY audit_username (username, commit_ts, table_name, row_key),
    KEY audit_event_type (event_type, commit_ts, table_name, row_key),
    KEY audit_operation (operation, commit_ts, table_name, row_key),
    KEY audit_table (table_name, commit_ts, row_key),
    KEY audit_source (source, commit_ts, table_name, row_key),
    KEY audit_ip (ip, commit_ts, table_name, row_key)
);

ALTER TABLE projection_checkpoints DROP COLUMN IF EXISTS fed;
ALTER TABLE projection_checkpoints DROP COLUMN IF EXISTS epoch;
DROP TABLE IF EXISTS projection_generations;
