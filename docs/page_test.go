// Package docs_test holds the pages of this folder against the code.
package docs_test

import (
	"os"
	"strings"
	"testing"
)

// table is one table of a page.
type table struct {
	section string // the heading above it
	header  []string
	rows    [][]string
}

// block is one fenced block of a page.
type block struct {
	info    string // what follows the fence, such as "json event"
	section string // the heading above it
	// above is the last line of text before the block.
	above string
	text  string
}

type page struct {
	tables []table
	blocks []block
	// ordered are the items of numbered lists, by section.
	ordered map[string][]string
}

// read parses what the tests need of a page's Markdown.
func read(t *testing.T, name string) page {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p := page{ordered: map[string][]string{}}
	var section, above string
	var fenced *block
	var indent string // of the fence, in a list
	inTable := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if before, info, fence := strings.Cut(line, "```"); fence && strings.TrimSpace(before) == "" {
			if fenced == nil {
				fenced, indent = &block{info: info, section: section, above: strings.TrimSpace(above)}, before
			} else {
				p.blocks = append(p.blocks, *fenced)
				fenced = nil
			}
			continue
		}
		if fenced != nil {
			fenced.text += strings.TrimPrefix(line, indent) + "\n"
			continue
		}
		if heading := strings.TrimLeft(line, "#"); heading != line {
			section = strings.TrimSpace(heading)
		}
		if number, item, ok := strings.Cut(line, ". "); ok && strings.Trim(number, "0123456789") == "" {
			p.ordered[section] = append(p.ordered[section], item)
		}
		if strings.TrimSpace(line) != "" {
			above = line
		}
		inTable = p.addRow(section, line, inTable)
	}
	if fenced != nil {
		t.Fatalf("%s: a block is not closed", name)
	}
	return p
}

func (p *page) addRow(section, line string, inTable bool) bool {
	if !strings.HasPrefix(line, "|") {
		return false
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	switch last := len(p.tables) - 1; {
	case !inTable:
		p.tables = append(p.tables, table{section: section, header: cells})
	case strings.Trim(cells[0], "-") != "":
		p.tables[last].rows = append(p.tables[last].rows, cells)
	}
	return true
}

// table returns the table of a section whose first column has that title.
func (p page) table(t *testing.T, section, title string) table {
	t.Helper()
	for _, table := range p.tables {
		if table.section == section && table.header[0] == title {
			return table
		}
	}
	t.Fatalf("section %q has no table of %q", section, title)
	return table{}
}

// first returns the first column, without the marks of code.
func (t table) first() []string {
	names := make([]string, len(t.rows))
	for i, row := range t.rows {
		names[i] = code(row[0])
	}
	return names
}

func code(cell string) string { return strings.Trim(cell, "`") }

// all returns the texts of the blocks with that info.
func (p page) all(info string) []string {
	var texts []string
	for _, block := range p.blocks {
		if block.info == info {
			texts = append(texts, strings.TrimSuffix(block.text, "\n"))
		}
	}
	return texts
}
