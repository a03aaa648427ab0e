package mount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/pingcap/tidb/pkg/ddl"
	"github.com/pingcap/tidb/pkg/infoschema"
	"github.com/pingcap/tidb/pkg/meta/model"
	"github.com/pingcap/tidb/pkg/table"
	"github.com/pingcap/tidb/pkg/util"

	"helfy/devstack/feed/atomicfile"
	"helfy/devstack/feed/row"
)

// Schemas remembers table definitions, so that a change can be decoded at any
// later time with the definition under which it was made. (The storage engine
// would be the place to look up the past, but its reads of old versions are
// not reliable once it has moved them to table files.)
// It is safe for concurrent use.
type Schemas struct {
	dir string

	mu      sync.Mutex
	version int64
	known   map[int64]uint64     // by physical ID, as of version; 0: not fed
	tables  map[uint64]*fedTable // by reference
}

// definition is what is kept of a table, under a hash of itself.
type definition struct {
	Database string           `json:"database"`
	Table    *model.TableInfo `json:"table"`
}

// fedTable is a table prepared for decoding.
type fedTable struct {
	*row.Table
	info *model.TableInfo
	// columns are those of Table, as TiDB decodes them.
	columns []*table.Column
}

// OpenSchemas keeps the definitions in dir.
func OpenSchemas(dir string) (*Schemas, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create schema folder: %w", err)
	}
	return &Schemas{dir: dir, tables: map[uint64]*fedTable{}}, nil
}

// Reference returns a reference to the present definition of the table or
// partition with a physical ID; 0 for what is not fed, TiDB's own tables except
// that of the DDL jobs.
func (s *Schemas) Reference(schema infoschema.InfoSchema, id int64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version := schema.SchemaMetaVersion(); s.known == nil || version != s.version {
		s.version, s.known = version, map[int64]uint64{}
	}
	if reference, ok := s.known[id]; ok {
		return reference, nil
	}
	reference, err := s.remember(find(schema, id))
	if err != nil {
		return 0, fmt.Errorf("remember the definition of table %d: %w", id, err)
	}
	s.known[id] = reference
	return reference, nil
}

func find(schema infoschema.InfoSchema, id int64) *definition {
	t, ok := schema.TableByID(context.Background(), id)
	if !ok {
		if t, _, _ = schema.FindTableByPartitionID(id); t == nil {
			return nil
		}
	}
	db, ok := schema.SchemaByID(t.Meta().DBID)
	if !ok || util.IsMemOrSysDB(db.Name.L) && id != ddl.JobTableID {
		return nil
	}
	return &definition{Database: db.Name.O, Table: t.Meta()}
}

// remember writes the definition to disk before anything refers to it.
func (s *Schemas) remember(d *definition) (uint64, error) {
	if d == nil {
		return 0, nil
	}
	data, err := json.Marshal(d)
	if err != nil {
		return 0, fmt.Errorf("encode: %w", err)
	}
	hash := fnv.New64a()
	hash.Write(data)
	reference := max(hash.Sum64(), 1)
	if _, err := os.Stat(s.path(reference)); !errors.Is(err, fs.ErrNotExist) {
		return reference, err
	}
	return reference, atomicfile.WriteJSON(s.path(reference), d)
}

// table returns the definition behind a reference.
func (s *Schemas) table(reference uint64) (*fedTable, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.tables[reference]; ok {
		return t, nil
	}
	var d definition
	if err := atomicfile.ReadJSON(s.path(reference), &d); err != nil {
		return nil, err
	}
	if d.Table == nil {
		return nil, fmt.Errorf("the table definition %s is missing", s.path(reference))
	}
	t := &fedTable{Table: newTable(d.Database, d.Table), info: d.Table}
	for _, c := range d.Table.Columns {
		if isFed(c) {
			t.columns = append(t.columns, table.ToColumn(c))
		}
	}
	s.tables[reference] = t
	return t, nil
}

func (s *Schemas) path(reference uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%016x.json", reference))
}
