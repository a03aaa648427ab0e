package tidb

// Querier is what an AuditLog asks.
type Querier = querier

// Asking returns the log with another querier.
func (a AuditLog) Asking(db Querier) AuditLog {
	a.db = db
	return a
}
