package row

// DDL is a finished schema change, of one table or of a whole database.
type DDL struct {
	// Kind is the name by which event filters know it. With AlterTable the
	// name "alter table" means it too.
	Kind       string
	AlterTable bool
	// Type is the message's type, such as "TRUNCATE".
	Type string
	// Schema and Table are the names after the change; Table is empty for a
	// database.
	Schema string
	Table  string
	// OldSchema and OldTable are the names before it: others for a rename,
	// empty for everything else.
	OldSchema string
	OldTable  string
	// Eligible is false for a table without a key that tells its rows apart.
	Eligible bool
	Query    string
	StartTs  uint64
	CommitTs uint64
}

// Before is the name before the change.
func (d *DDL) Before() (schema, table string) {
	if d.OldTable == "" {
		return d.Schema, d.Table
	}
	return d.OldSchema, d.OldTable
}
