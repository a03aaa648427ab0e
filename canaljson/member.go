package canaljson

// member is a known member of a message or of its _tidb.
type member uint8

const (
	unknown member = iota
	database
	table
	pkNames
	isDDL
	kind
	es
	ts
	sql
	sqlType
	mysqlType
	data
	old
	tidb
	commitTs
	watermarkTs
	onlyHandleKey
	claimCheck
	memberCount
)

// memberNames are the paths of those that faults of a whole message are about.
var memberNames = [memberCount]string{
	database: "database", table: "table", pkNames: "pkNames", isDDL: "isDdl", kind: "type", es: "es", ts: "ts",
	sql: "sql", sqlType: "sqlType", mysqlType: "mysqlType", data: "data", old: "old", tidb: "_tidb",
	commitTs: "_tidb.commitTs", watermarkTs: "_tidb.watermarkTs",
}

// memberNamed returns the member of a message that has the name.
func memberNamed(name []byte) member {
	switch string(name) {
	case "database":
		return database
	case "table":
		return table
	case "pkNames":
		return pkNames
	case "isDdl":
		return isDDL
	case "type":
		return kind
	case "es":
		return es
	case "ts":
		return ts
	case "sql":
		return sql
	case "sqlType":
		return sqlType
	case "mysqlType":
		return mysqlType
	case "data":
		return data
	case "old":
		return old
	case "_tidb":
		return tidb
	}
	return unknown
}
