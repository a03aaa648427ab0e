package mount

import (
	"fmt"

	"github.com/pingcap/tidb/pkg/ddl"
	"github.com/pingcap/tidb/pkg/meta/model"
	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/tablecodec"
	"github.com/pingcap/tidb/pkg/util"

	"helfy/devstack/feed/change"
	"helfy/devstack/feed/row"
)

// DDL returns the schema changes that txn has finished. TiDB keeps its DDL jobs
// in a table and marks a job as done in the transaction that also makes the
// change, so that this row and its commit TSO are all that there is to know.
// TiCDC reads the same rows.
func (m *Mounter) DDL(txn *change.Txn) ([]*row.DDL, error) {
	var list []*row.DDL
	for _, mutation := range txn.Mutations {
		if !isJob(mutation.Key) {
			continue
		}
		job, err := m.finishedJob(mutation)
		if err == nil && job != nil {
			list, err = m.appendDDL(list, job)
		}
		if err != nil {
			return nil, fmt.Errorf("schema change committed at %d: %w", txn.CommitTs, err)
		}
	}
	for _, d := range list {
		d.StartTs, d.CommitTs = txn.StartTs, txn.CommitTs
	}
	return list, nil
}

func isJob(key []byte) bool { return tablecodec.DecodeTableID(key) == ddl.JobTableID }

// finishedJob returns the job that the mutation marks as done, if it does. A
// job that has changed nothing has no schema version.
func (m *Mounter) finishedJob(mutation change.Mutation) (*model.Job, error) {
	t, err := m.schemas.table(mutation.Schema)
	if err != nil {
		return nil, err
	}
	e, err := m.event(t, mutation)
	if err != nil {
		return nil, fmt.Errorf("decode a row of %s.%s: %w", t.Schema, t.Name, err)
	}
	meta := t.Offset("job_meta")
	if meta < 0 {
		return nil, fmt.Errorf("%s.%s has no column job_meta", t.Schema, t.Name)
	}
	after, err := decodeJob(e.New, meta)
	if err != nil || after == nil || !after.IsDone() || after.BinlogInfo == nil || after.BinlogInfo.SchemaVersion == 0 {
		return nil, err
	}
	before, err := decodeJob(e.Old, meta)
	if err != nil || before != nil && before.IsDone() {
		return nil, err
	}
	return after, nil
}

func decodeJob(values []row.Value, meta int) (*model.Job, error) {
	if values == nil || values[meta].Null {
		return nil, nil
	}
	job := &model.Job{}
	if err := job.Decode([]byte(values[meta].Raw)); err != nil {
		return nil, fmt.Errorf("decode a DDL job: %w", err)
	}
	return job, nil
}

// appendDDL appends what the job means to a changefeed: one change for each
// table, with a statement of its own where TiCDC makes one up.
func (m *Mounter) appendDDL(list []*row.DDL, job *model.Job) ([]*row.DDL, error) {
	a, known := actions[job.Type]
	if !known || util.IsMemOrSysDB(job.SchemaName) {
		return list, nil
	}
	add := func(d row.DDL) {
		d.Kind, d.Type, d.AlterTable = a.kind, a.wire, altersTable(job.Type)
		list = append(list, &d)
	}
	info := job.BinlogInfo
	switch job.Type {
	case model.ActionRenameTables:
		renames, err := m.renames(job)
		if err != nil {
			return nil, err
		}
		for _, d := range renames {
			add(d)
		}
	case model.ActionCreateTables:
		created, err := m.created(job)
		if err != nil {
			return nil, err
		}
		for _, d := range created {
			add(d)
		}
	default:
		switch {
		case info.DBInfo != nil:
			add(row.DDL{Schema: info.DBInfo.Name.O, Query: job.Query, Eligible: true})
		case info.TableInfo != nil:
			d, err := m.ofTable(job)
			if err != nil {
				return nil, err
			}
			add(d)
		}
	}
	return list, nil
}

func (m *Mounter) ofTable(job *model.Job) (row.DDL, error) {
	d := m.describe(job.SchemaID, job.SchemaName, job.BinlogInfo.TableInfo)
	d.Query = job.Query
	switch job.Type {
	case model.ActionDropTable:
		// One statement that drops several tables has a job for each.
		d.Query = fmt.Sprintf("DROP TABLE `%s`.`%s`", d.Schema, d.Table)
	case model.ActionDropView:
		d.Query = fmt.Sprintf("DROP VIEW `%s`.`%s`", d.Schema, d.Table)
	case model.ActionRenameTable:
		args, err := model.GetRenameTableArgs(job)
		if err != nil {
			return d, fmt.Errorf("arguments of DDL job %d: %w", job.ID, err)
		}
		d.OldSchema, d.OldTable = args.OldSchemaName.O, job.TableName
	}
	return d, nil
}

func (m *Mounter) describe(schemaID int64, schemaName string, info *model.TableInfo) row.DDL {
	schema := m.databaseName(schemaID, schemaName)
	return row.DDL{
		Schema: schema, Table: info.Name.O,
		Eligible: info.IsView() || newTable(schema, info).Eligible,
	}
}

// databaseName is the name as it was written, which the job does not have.
func (m *Mounter) databaseName(id int64, lower string) string {
	if db, ok := m.current().SchemaByID(id); ok {
		return db.Name.O
	}
	return lower // it has been dropped since
}

// renames returns one rename for each table of a statement that has several.
func (m *Mounter) renames(job *model.Job) ([]row.DDL, error) {
	args, err := model.GetRenameTablesArgs(job)
	if err != nil {
		return nil, fmt.Errorf("arguments of DDL job %d: %w", job.ID, err)
	}
	infos := job.BinlogInfo.MultipleTableInfos
	if len(infos) != len(args.RenameTableInfos) {
		return nil, fmt.Errorf("DDL job %d renames %d tables, but has %d definitions", job.ID, len(args.RenameTableInfos), len(infos))
	}
	list := make([]row.DDL, len(infos))
	for i, rename := range args.RenameTableInfos {
		d := m.describe(rename.NewSchemaID, job.SchemaName, infos[i])
		d.OldSchema, d.OldTable = rename.OldSchemaName.O, rename.OldTableName.O
		d.Query = fmt.Sprintf("RENAME TABLE `%s`.`%s` TO `%s`.`%s`", d.OldSchema, d.OldTable, d.Schema, d.Table)
		list[i] = d
	}
	return list, nil
}

// created returns one change for each of the tables whose jobs TiDB has joined
// because they were created at the same time.
func (m *Mounter) created(job *model.Job) ([]row.DDL, error) {
	statements, _, err := parser.New().ParseSQL(job.Query)
	if err != nil {
		return nil, fmt.Errorf("statement of DDL job %d: %w", job.ID, err)
	}
	infos := job.BinlogInfo.MultipleTableInfos
	if len(infos) != len(statements) {
		return nil, fmt.Errorf("DDL job %d creates %d tables by %d statements", job.ID, len(infos), len(statements))
	}
	list := make([]row.DDL, len(infos))
	for i, info := range infos {
		list[i] = m.describe(job.SchemaID, job.SchemaName, info)
		list[i].Query = statements[i].Text()
	}
	return list, nil
}
