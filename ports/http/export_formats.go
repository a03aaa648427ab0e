package http

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"helfy/app/ocsf"
	"helfy/domain"
)

// exportFormat is how entries are written to a file.
type exportFormat struct {
	contentType, extension string
	open                   func(io.Writer) entryWriter
}

// entryWriter writes entries, all that it was given before it returns; no
// entries at the end.
type entryWriter interface {
	write([]domain.AuditEntry) error
}

var exportFormats = map[string]exportFormat{
	"csv": {"text/csv; charset=utf-8; header=present", "csv", func(w io.Writer) entryWriter { return &csvEntries{out: csv.NewWriter(w)} }},
	"jsonl": {"application/jsonl", "jsonl", func(w io.Writer) entryWriter {
		return jsonEntries{json.NewEncoder(w), func(e domain.AuditEntry) any { return newAuditEntry(e) }}
	}},
	"ocsf": {"application/x-ndjson", "ocsf.jsonl", func(w io.Writer) entryWriter {
		return jsonEntries{json.NewEncoder(w), func(e domain.AuditEntry) any { return ocsf.Map(e) }}
	}},
}

// jsonEntries writes a line each.
type jsonEntries struct {
	out  *json.Encoder
	form func(domain.AuditEntry) any
}

func (j jsonEntries) write(entries []domain.AuditEntry) error {
	for _, entry := range entries {
		if err := j.out.Encode(j.form(entry)); err != nil {
			return err
		}
	}
	return nil
}

// csvColumns are the columns of an export as CSV.
var csvColumns = []string{
	"id", "commitTs", "committedAt", "source", "eventType", "operation", "table", "userId", "username", "ip", "seq",
	"old", "new", "payload", "metadata",
}

// csvEntries writes RFC 4180, the names of the columns first.
type csvEntries struct {
	out    *csv.Writer
	headed bool
}

func (c *csvEntries) write(entries []domain.AuditEntry) error {
	if !c.headed {
		c.headed = true
		if err := c.out.Write(csvColumns); err != nil {
			return err
		}
	}
	for _, entry := range entries {
		if err := c.out.Write(csvRow(newAuditEntry(entry))); err != nil {
			return err
		}
	}
	c.out.Flush()
	return c.out.Error()
}

func csvRow(e auditEntry) []string {
	row := []string{
		e.ID, e.CommitTs, e.CommittedAt.Format(time.RFC3339Nano), string(e.Source), e.EventType, e.Operation, e.Table,
		"", textOf(e.Username), textOf(e.IP), "", string(e.Old), string(e.New), string(e.Payload), string(e.Metadata),
	}
	if e.UserID != nil {
		row[7] = strconv.FormatInt(*e.UserID, 10)
	}
	if e.Seq != nil {
		row[10] = strconv.FormatUint(*e.Seq, 10)
	}
	for i, cell := range row {
		row[i] = harmless(cell)
	}
	return row
}

// harmless keeps a spreadsheet from taking a cell for a formula:
// https://owasp.org/www-community/attacks/CSV_Injection
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
