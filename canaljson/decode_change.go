package canaljson

import "strconv"

// The limits of TiDB: the largest table-column-count-limit, and the columns of
// one key. They bound the searches by name below.
const (
	maxColumns    = 4096
	maxKeyColumns = 16
)

// foundIn is a set of the members that a column was found in.
type foundIn uint8

const (
	inSQLType foundIn = 1 << iota
	inMySQLType
	inData
	inOld
)

func (d *decoder) primaryKey() {
	if d.null() {
		return
	}
	d.elements(func(i int) {
		if i == maxKeyColumns {
			d.fail(d.pos, "more than "+strconv.Itoa(maxKeyColumns)+" columns")
			return
		}
		at := d.pos
		name := d.text()
		for _, other := range d.pk {
			if name == other {
				d.fail(at, "duplicate column")
			}
		}
		d.pk = append(d.pk, name)
	})
}

// types reads sqlType or mysqlType; each reads one column's value.
func (d *decoder) types(in foundIn, each func(*Column)) {
	if d.null() {
		return
	}
	d.hint = 0
	d.members(func(name token) {
		if i := d.column(name, in); i >= 0 {
			each(&d.columns[i])
		}
	})
}

// row reads data or old: null, or an array of exactly one row.
func (d *decoder) row(in foundIn) Row {
	if d.null() {
		return nil
	}
	var row Row
	at := d.pos
	d.hint = 0
	d.elements(func(i int) {
		if i > 0 {
			d.fail(d.pos, "more than one row")
			return
		}
		row = make(Row, 0, len(d.columns))
		d.members(func(name token) {
			if i := d.column(name, in); i >= 0 {
				row = append(row, d.cell(d.columns[i].Name))
			}
		})
	})
	if row == nil && d.err == nil {
		d.fail(at, "expected one row, found none")
	}
	return row
}

func (d *decoder) cell(name string) Cell {
	if d.null() {
		return Cell{Name: name, Null: true}
	}
	if d.next() != '"' {
		d.expected("a string or null")
		return Cell{}
	}
	return Cell{Name: name, Text: d.text()}
}

// column returns the index of the named column, which is added if it is new,
// or -1 after a fault. The objects of a message mostly have the same columns
// in the same order, so the search begins behind the last hit.
func (d *decoder) column(name token, in foundIn) int {
	n := len(d.columns)
	for k := range n {
		i := d.hint + k
		if i >= n {
			i -= n
		}
		if d.columns[i].Name != string(name.raw) {
			continue
		}
		if d.found[i]&in != 0 {
			d.fail(name.start-1, "duplicate member")
			return -1
		}
		d.found[i] |= in
		d.hint = i + 1
		return i
	}
	if n == maxColumns {
		d.fail(name.start-1, "more than "+strconv.Itoa(maxColumns)+" columns")
		return -1
	}
	if d.columns == nil {
		d.columns, d.found = make([]Column, 0, 16), make([]foundIn, 0, 16)
	}
	d.columns = append(d.columns, Column{Name: d.keep(name)})
	d.found = append(d.found, in)
	d.hint = n + 1
	return n
}

func (d *decoder) change() Message {
	if !d.require(database, table, data) || !d.checkRows() || !d.checkColumns() {
		return nil
	}
	c := &Change{
		Database: d.database, Table: d.table, PrimaryKey: d.pk, Operation: Operation(d.kind), Columns: d.dataColumns(),
		Old: d.old, New: d.data, CommitTs: d.commitTs, CommitMillis: d.es, EncodedMillis: d.ts,
	}
	if c.Operation == Delete {
		c.Old, c.New = d.data, nil
	}
	return c
}

func (d *decoder) checkRows() bool {
	isUpdate := d.kind == typeUpdate
	switch {
	case d.database == "":
		d.reject(database, "must not be empty")
	case d.table == "":
		d.reject(table, "must not be empty")
	case d.data == nil:
		d.reject(data, "must not be null")
	case len(d.data) == 0:
		d.reject(data, "the row has no columns")
	case isUpdate && d.require(old) && d.old == nil:
		d.reject(old, "must not be null in an UPDATE")
	case !isUpdate && d.old != nil:
		d.reject(old, "must be null except in an UPDATE")
	}
	return d.err == nil
}

// checkColumns finds columns of data without a type and of old that data lacks.
func (d *decoder) checkColumns() bool {
	for i, found := range d.found {
		switch {
		case found&inData == 0 && found&inOld != 0:
			d.reject(old, "the column is not in data")
		case found&inData == 0:
			continue
		case found&inSQLType == 0:
			d.reject(data, "the column is not in sqlType")
		case found&inMySQLType == 0:
			d.reject(data, "the column is not in mysqlType")
		}
		if d.err != nil {
			step := DecodeError{Path: pathStep(d.columns[i].Name)}
			step.prepend(d.err.Path + "[0]")
			d.err.Path = step.Path
			return false
		}
	}
	return true
}

// dataColumns returns the columns of data in its order.
func (d *decoder) dataColumns() []Column {
	inOrder := len(d.columns) == len(d.data)
	for i := 0; inOrder && i < len(d.data); i++ {
		inOrder = d.columns[i].Name == d.data[i].Name
	}
	if inOrder {
		return d.columns
	}
	columns, hint := make([]Column, len(d.data)), 0
	for i, cell := range d.data {
		for d.columns[hint].Name != cell.Name {
			hint = (hint + 1) % len(d.columns)
		}
		columns[i] = d.columns[hint]
	}
	return columns
}
