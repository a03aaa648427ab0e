package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// line is one line of the table.
type line struct {
	Measurement string `json:"measurement"`
	// Case says what was measured.
	Case  string  `json:"case"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Ratio is the value's to what Beside says, 0 if it stands beside nothing.
	Ratio  float64 `json:"ratio,omitempty"`
	Beside string  `json:"beside,omitempty"`
	// Aim is what the value or the ratio should be.
	Aim string `json:"aim,omitempty"`
}

// beside gives the line a ratio to another figure of the same unit.
func (l line) beside(what string, value float64) line {
	l.Ratio = l.Value / value
	l.Beside = fmt.Sprintf("%s: %s", what, quantity(value, l.Unit))
	return l
}

// aim gives the line an aim.
func (l line) aim(aim string) line {
	l.Aim = aim
	return l
}

// quantity writes three digits that matter.
func quantity(value float64, unit string) string {
	decimals := 0
	for limit := 100.0; decimals < 3 && value < limit; limit /= 10 {
		decimals++
	}
	return strconv.FormatFloat(value, 'f', decimals, 64) + " " + unit
}

func (l line) ratio() string {
	if l.Ratio == 0 {
		return ""
	}
	return strconv.FormatFloat(l.Ratio, 'f', 2, 64)
}

// String is the line as progress tells it.
func (l line) String() string {
	text := l.Case + ": " + quantity(l.Value, l.Unit)
	if l.Ratio != 0 {
		text += ", " + l.ratio() + " of " + l.Beside
	}
	return text
}

// writeTable writes lines as a table in Markdown.
func writeTable(w io.Writer, lines []line) error {
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.Debug)
	row := func(cells ...any) error {
		_, err := fmt.Fprintf(table, "\t %v\t %v\t %v\t %v\t %v\t %v\t\n", cells...)
		return err
	}
	if err := row("measurement", "case", "value", "ratio", "beside", "aim"); err != nil {
		return err
	}
	if err := row("---", "---", "---", "---", "---", "---"); err != nil {
		return err
	}
	for _, l := range lines {
		if err := row(l.Measurement, l.Case, quantity(l.Value, l.Unit), l.ratio(), l.Beside, l.Aim); err != nil {
			return err
		}
	}
	return table.Flush()
}
