package route

import (
	"hash/crc32"

	"helfy/devstack/feed/changefeed"
	"helfy/devstack/feed/row"
)

// A partitioner returns a number from which the partition follows by modulo.
type partitioner func(e *row.Event) (uint64, error)

func newPartitioner(d *changefeed.Dispatcher) (partitioner, error) {
	switch d.Partition {
	case "", "default", "table":
		return func(e *row.Event) (uint64, error) { return tableHash(e.Table), nil }, nil
	case "ts":
		return func(e *row.Event) (uint64, error) { return e.CommitTs, nil }, nil
	case "index-value":
		return func(e *row.Event) (uint64, error) { return indexHash(e, d.Index) }, nil
	case "columns":
		if len(d.Columns) == 0 {
			return nil, changefeed.Errorf(changefeed.ErrDispatcher, "dispatcher %v: partition columns needs columns", d.Matcher)
		}
		return func(e *row.Event) (uint64, error) { return columnsHash(e, d.Columns) }, nil
	}
	return nil, changefeed.Errorf(changefeed.ErrDispatcher, "dispatcher %v: unknown partition rule %q", d.Matcher, d.Partition)
}

// hash is CRC-32 (IEEE) of two strings. TiCDC combines the hashes of the
// table and of each column by XOR, so that the order does not matter.
func hash(a, b string) uint64 {
	return uint64(crc32.Update(crc32.ChecksumIEEE([]byte(a)), crc32.IEEETable, []byte(b)))
}

func tableHash(t *row.Table) uint64 { return hash(t.Schema, t.Name) }

func indexHash(e *row.Event, index string) (uint64, error) {
	sum, values := tableHash(e.Table), e.Row()
	if index == "" {
		for i, c := range e.Table.Columns {
			if c.Handle {
				sum ^= hash(c.Name, values[i].Raw)
			}
		}
		return sum, nil
	}
	found, ok := e.Table.Indexes[index]
	if !ok {
		return 0, changefeed.Errorf(changefeed.ErrDispatcher, "index %s not found in table %s.%s", index, e.Table.Schema, e.Table.Name)
	}
	for _, offset := range found.Offsets {
		if offset >= 0 {
			sum ^= hash(e.Table.Columns[offset].Name, values[offset].Raw)
		}
	}
	return sum, nil
}

func columnsHash(e *row.Event, columns []string) (uint64, error) {
	sum, values := tableHash(e.Table), e.Row()
	for _, name := range columns {
		offset := e.Table.Offset(name)
		if offset < 0 {
			return 0, changefeed.Errorf(changefeed.ErrDispatcher, "column %s not found in table %s.%s", name, e.Table.Schema, e.Table.Name)
		}
		sum ^= hash(name, values[offset].Raw)
	}
	return sum, nil
}
