package canaljson

// Get returns the cell of the named column and whether the row has it.
func (r Row) Get(name string) (Cell, bool) {
	for _, cell := range r {
		if cell.Name == name {
			return cell, true
		}
	}
	return Cell{}, false
}

// Row returns the row that identifies the change: New, or Old for a Delete.
func (c *Change) Row() Row {
	if c.Operation == Delete {
		return c.Old
	}
	return c.New
}

// Key returns the cells of the primary key, in its order. Columns that the
// changefeed left out of the message are missing from the result.
func (c *Change) Key() Row {
	row := c.Row()
	key := make(Row, 0, len(c.PrimaryKey))
	for _, name := range c.PrimaryKey {
		if cell, ok := row.Get(name); ok {
			key = append(key, cell)
		}
	}
	return key
}

// MarshalJSON writes the row as an object of strings and nulls, in the row's
// order, and a nil row as null.
func (r Row) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
	out := []byte{'{'}
	for i, cell := range r {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, cell.Name), ':')
		if cell.Null {
			out = append(out, "null"...)
		} else {
			out = appendString(out, cell.Text)
		}
	}
	return append(out, '}'), nil
}
