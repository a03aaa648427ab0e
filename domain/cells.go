package domain

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// cell is a value of a row as it came over the wire. The zero value stands
// for a row that has no such column.
type cell struct {
	text  string
	state cellState
}

type cellState byte

const (
	absent cellState = iota
	null
	present
)

// String shows a value so that no two look alike.
func (c cell) String() string {
	switch c.state {
	case absent:
		return "nothing"
	case null:
		return "NULL"
	default:
		return strconv.Quote(c.text)
	}
}

// readCells reads a row of an entry; no row has no cells.
func readCells(row json.RawMessage) (map[string]cell, error) {
	if row == nil {
		return nil, nil
	}
	var values map[string]*string
	if err := json.Unmarshal(row, &values); err != nil {
		return nil, fmt.Errorf("read row: %w", err)
	}
	cells := make(map[string]cell, len(values))
	for name, value := range values {
		cells[name] = cell{state: null}
		if value != nil {
			cells[name] = cell{text: *value, state: present}
		}
	}
	return cells, nil
}

// columns returns the names of the columns of both rows, sorted.
func columns(before, after map[string]cell) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(names)
	return slices.Compact(names)
}

// Event returns the event that an entry of source SourceEvent stands for.
func (e AuditEntry) Event() (Event, error) {
	row, err := readCells(e.New)
	if err != nil {
		return Event{}, err
	}
	event := Event{
		ID: row["id"].text, AggregateType: row["aggregatetype"].text, AggregateID: row["aggregateid"].text,
		Type: EventType(row["type"].text), Payload: row["payload"].text, Metadata: row["metadata"].text,
		Seq: e.Seq, PrevHash: row["prev_hash"].text, Hash: row["hash"].text, KeyID: row["key_id"].text,
	}
	event.OccurredAt, err = ParseTime(row["occurred_at"].text)
	if err != nil {
		return event, fmt.Errorf("occurred_at: %w", err)
	}
	return event, nil
}

// ChainOf returns the chain of an entry of source SourceEvent.
func ChainOf(entry AuditEntry) (Chain, error) {
	row, err := readCells(entry.New)
	return Chain{row["aggregatetype"].text, row["aggregateid"].text}, err
}

// Statement returns the SQL of a schema change.
func (e AuditEntry) Statement() string {
	row, err := readCells(e.New)
	if err != nil {
		return ""
	}
	return row["query"].text
}

// ParseTime reads a time as FormatTime writes it; the fraction may be shorter.
func ParseTime(text string) (time.Time, error) {
	return time.Parse("2006-01-02 15:04:05.999999", text)
}
