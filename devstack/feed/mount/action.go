package mount

import "github.com/pingcap/tidb/pkg/meta/model"

// action says how changefeeds treat a kind of schema change.
type action struct {
	kind string // the name in event filters
	wire string // the type of the message
}

// actions lists the schema changes that TiCDC v8.5 relays; it keeps all others
// to itself, such as those of sequences, foreign keys and TiFlash replicas.
// https://docs.pingcap.com/tidb/v8.5/ticdc-ddl
var actions = map[model.ActionType]action{
	model.ActionCreateSchema:                  {"create database", "QUERY"},
	model.ActionDropSchema:                    {"drop database", "QUERY"},
	model.ActionModifySchemaCharsetAndCollate: {"modify schema charset and collate", "QUERY"},

	model.ActionCreateTable:                  {"create table", "CREATE"},
	model.ActionCreateTables:                 {"create table", "QUERY"},
	model.ActionDropTable:                    {"drop table", "ERASE"},
	model.ActionTruncateTable:                {"truncate table", "TRUNCATE"},
	model.ActionRenameTable:                  {"rename table", "RENAME"},
	model.ActionRenameTables:                 {"rename table", "RENAME"},
	model.ActionRecoverTable:                 {"recover table", "QUERY"},
	model.ActionModifyTableComment:           {"modify table comment", "ALTER"},
	model.ActionModifyTableCharsetAndCollate: {"modify table charset and collate", "ALTER"},
	model.ActionCreateView:                   {"create view", "QUERY"},
	model.ActionDropView:                     {"drop view", "QUERY"},

	model.ActionAddTablePartition:      {"add table partition", "ALTER"},
	model.ActionDropTablePartition:     {"drop table partition", "ALTER"},
	model.ActionTruncateTablePartition: {"truncate table partition", "ALTER"},
	model.ActionExchangeTablePartition: {"exchange table partition", "QUERY"},
	model.ActionReorganizePartition:    {"reorganize table partition", "ALTER"},
	model.ActionAlterTablePartitioning: {"alter table partitioning", "ALTER"},
	model.ActionRemovePartitioning:     {"remove table partitioning", "ALTER"},

	model.ActionAddColumn:            {"add column", "ALTER"},
	model.ActionDropColumn:           {"drop column", "ALTER"},
	model.ActionModifyColumn:         {"modify column", "ALTER"},
	model.ActionSetDefaultValue:      {"set default value", "ALTER"},
	model.ActionRebaseAutoID:         {"rebase auto id", "ALTER"},
	model.ActionAddPrimaryKey:        {"add primary key", "CINDEX"},
	model.ActionDropPrimaryKey:       {"drop primary key", "DINDEX"},
	model.ActionAddIndex:             {"create index", "CINDEX"},
	model.ActionDropIndex:            {"drop index", "DINDEX"},
	model.ActionRenameIndex:          {"rename index", "ALTER"},
	model.ActionAlterIndexVisibility: {"alter index visibility", "ALTER"},
	model.ActionAlterTTLInfo:         {"alter ttl info", "QUERY"},
	model.ActionAlterTTLRemove:       {"alter ttl remove", "QUERY"},
	model.ActionMultiSchemaChange:    {"multi schema change", "ALTER"},
}

// altersTable reports whether event filters know the kind as "alter table" too.
func altersTable(t model.ActionType) bool {
	switch t {
	case model.ActionCreateSchema, model.ActionDropSchema, model.ActionModifySchemaCharsetAndCollate,
		model.ActionCreateTable, model.ActionCreateTables, model.ActionDropTable, model.ActionTruncateTable,
		model.ActionRecoverTable, model.ActionCreateView, model.ActionDropView:
		return false
	}
	return true
}
