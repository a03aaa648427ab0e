package tidb

import (
	"context"
	"database/sql"

	"helfy/app/projection"
	"helfy/domain"
)

// NewAuditStore returns the store of the audit projection in db.
func NewAuditStore(db *sql.DB) *ProjectionStore[domain.AuditEntry] {
	store := NewProjectionStore(db, auditLayout, insertAuditEntries)
	store.beforeInsert = noteLate
	return store
}

var auditLayout = Layout{
	Name: projection.AuditName,
	Tables: []Table{
		{
			Name:    "projection_audit_entries",
			Key:     []Column{{"commit_ts", true}, {"table_name", false}, {"row_key", false}},
			Content: []string{"source", "event_type", "user_id", "username", "ip", "seq", "ddl_type", "old_row", "new_row"},
			HasTSO:  true,
		},
		{
			Name:    "projection_audit_findings",
			Key:     []Column{{"commit_ts", true}, {"table_name", false}, {"row_key", false}, {"kind", false}},
			Content: []string{"user_id", "username", "detail"},
			HasTSO:  true,
		},
		{
			Name:    "projection_audit_waivers",
			Key:     []Column{{"commit_ts", true}, {"event_id", false}, {"projection", false}},
			Content: []string{"topic", "topic_id", "kafka_partition", "kafka_offset", "digest", "reason", "waived_by"},
			HasTSO:  true,
		},
	},
	// First what each step of verification locks.
	Derived: []string{"projection_audit_verification", "projection_audit_chains"},
	// The findings follow the entries.
	Through: func(ctx context.Context, from querier, generation int) (uint64, error) {
		return AuditLog{generation: generation}.verifiedThrough(ctx, from)
	},
}
