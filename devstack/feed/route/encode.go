package route

import (
	"time"

	"helfy/canaljson"
	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
	"helfy/devstack/feed/tso"
)

// Encoder writes the rows as Canal-JSON.
type Encoder struct {
	selector *Selector
	sink     changefeed.Sink
}

// NewEncoder checks the column selectors.
func NewEncoder(c *changefeed.Config) (*Encoder, error) {
	selector, err := NewSelector(c)
	if err != nil {
		return nil, err
	}
	return &Encoder{selector: selector, sink: c.Sink}, nil
}

// Check returns an error if rows of the table could not be encoded.
func (enc *Encoder) Check(t *row.Table) error {
	_, err := enc.selector.Selected(t)
	return err
}

// Encode returns the message of one row.
func (enc *Encoder) Encode(e *row.Event, now time.Time) ([]byte, error) {
	selected, err := enc.selector.Selected(e.Table)
	if err != nil {
		return nil, err
	}
	if e.New == nil && enc.sink.DeleteOnlyOutputHandleKeyColumns {
		for i, c := range e.Table.Columns {
			selected[i] = selected[i] && c.Handle
		}
	}
	return canaljson.Encode(enc.change(project(e, selected), now))
}

func (enc *Encoder) change(e *row.Event, now time.Time) *canaljson.Change {
	c := &canaljson.Change{
		Database: e.Table.Schema, Table: e.Table.Name, PrimaryKey: []string{},
		Operation:    canaljson.Update,
		CommitMillis: tso.Millis(e.CommitTs), EncodedMillis: now.UnixMilli(),
		Old: cells(e.Table, e.Old), New: cells(e.Table, e.New),
	}
	switch {
	case e.Old == nil:
		c.Operation = canaljson.Insert
	case e.New == nil:
		c.Operation = canaljson.Delete
	case enc.sink.ContentCompatible || enc.sink.OnlyOutputUpdatedColumns:
		c.Old = changed(e, c.Old)
	}
	if enc.sink.Kafka.Codec.EnableTiDBExtension {
		c.CommitTs = e.CommitTs
	}
	values := e.Row()
	for i, column := range e.Table.Columns {
		if column.Primary {
			c.PrimaryKey = append(c.PrimaryKey, column.Name)
		}
		c.Columns = append(c.Columns, canaljson.Column{
			Name: column.Name, SQLType: column.SQLTypeOf(values[i]), MySQLType: enc.mysqlType(&column),
		})
	}
	return c
}

func (enc *Encoder) mysqlType(c *row.Column) string {
	if enc.sink.ContentCompatible {
		return c.FullType
	}
	return c.Type
}

func cells(t *row.Table, values []row.Value) canaljson.Row {
	if values == nil {
		return nil
	}
	cells := make(canaljson.Row, len(values))
	for i, v := range values {
		cells[i] = canaljson.Cell{Name: t.Columns[i].Name, Null: v.Null}
		switch {
		case v.Null:
		case t.Columns[i].Binary:
			cells[i].Text = canaljson.TextOfBytes([]byte(v.Raw))
		default:
			cells[i].Text = v.Raw
		}
	}
	return cells
}

// changed leaves of the old row what the update changed, maybe nothing.
func changed(e *row.Event, old canaljson.Row) canaljson.Row {
	kept := canaljson.Row{}
	for i, cell := range old {
		if e.Old[i] != e.New[i] {
			kept = append(kept, cell)
		}
	}
	return kept
}

// Watermark returns the message that says that everything up to ts was sent,
// nil when the changefeed has none because it runs without the extension.
func (enc *Encoder) Watermark(ts uint64, now time.Time) ([]byte, error) {
	if !enc.sink.Kafka.Codec.EnableTiDBExtension {
		return nil, nil
	}
	return canaljson.Encode(&canaljson.Watermark{
		Ts: ts, CommitMillis: tso.Millis(ts), EncodedMillis: now.UnixMilli(),
	})
}
