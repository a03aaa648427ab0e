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
