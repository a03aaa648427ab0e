-- +goose Up
-- operation is what happened to the row, derived from the halves that are
-- there, or the kind of a schema change. Each index serves one filter of the
-- log and ends with the log's order.
ALTER TABLE projection_audit_entries
    ADD COLUMN IF NOT EXISTS ddl_type VARCHAR(16) NULL COMMENT 'schema changes only',
    ADD COLUMN IF NOT EXISTS kafka_at DATETIME(3) NULL COMMENT 'timestamp of the record',
    ADD COLUMN IF NOT EXISTS projected_at DATETIME(3) NULL COMMENT 'not derived from the topics';
ALTER TABLE projection_audit_entries
    ADD COLUMN IF NOT EXISTS operation VARCHAR(16) AS (
        CASE WHEN source = 'event' THEN NULL
             WHEN ddl_type IS NOT NULL THEN ddl_type
             WHEN old_row IS NULL THEN 'INSERT'
             WHEN new_row IS NULL THEN 'DELETE'
             ELSE 'UPDATE' END) VIRTUAL;
CREATE INDEX IF NOT EXISTS audit_user_id ON projection_audit_entries (user_id, commit_ts, table_name, row_key);
CREATE INDEX IF NOT EXISTS audit_username ON projection_audit_entries (username, commit_ts, table_name, row_key);
CREATE INDEX IF NOT EXISTS audit_event_type ON projection_audit_entries (event_type, commit_ts, table_name, row_key);
CREATE INDEX IF NOT EXISTS audit_operation ON projection_audit_entries (operation, commit_ts, table_name, row_key);
CREATE INDEX IF NOT EXISTS audit_table ON projection_audit_entries (table_name, commit_ts, row_key);
CREATE INDEX IF NOT EXISTS audit_source ON projection_audit_entries (source, commit_ts, table_name, row_key);
CREATE INDEX IF NOT EXISTS audit_ip ON projection_audit_entries (ip, commit_ts, table_name, row_key);

-- +goose Down
DROP INDEX IF EXISTS audit_ip ON projection_audit_entries;
DROP INDEX IF EXISTS audit_source ON projection_audit_entries;
DROP INDEX IF EXISTS audit_table ON projection_audit_entries;
DROP INDEX IF EXISTS audit_operation ON projection_audit_entries;
DROP INDEX IF EXISTS audit_event_type ON projection_audit_entries;
DROP INDEX IF EXISTS audit_username ON projection_audit_entries;
DROP INDEX IF EXISTS audit_user_id ON projection_audit_entries;
ALTER TABLE projection_audit_entries DROP COLUMN IF EXISTS operation;
ALTER TABLE projection_audit_entries
    DROP COLUMN IF EXISTS ddl_type,
    DROP COLUMN IF EXISTS kafka_at,
    DROP COLUMN IF EXISTS projected_at;
