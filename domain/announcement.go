package domain

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// ChainSchema is the chain of the events that announce schema changes.
var ChainSchema = Chain{AggregateType: "schema", AggregateID: "migrations"}

// Announcement is a migration that may run.
type Announcement struct {
	Migration string `json:"migration"`
	CommitTs  uint64 `json:"commitTs"`
	// Statements are those of the migration, normalised.
	Statements []string `json:"statements"`
}

// announcementTTL is how long a migration may take: one whose end was never
// recorded explains nothing after that.
const announcementTTL = time.Hour

// SchemaChange is the payload of the events that announce a migration and
// tell its end.
type SchemaChange struct {
	Migration string `json:"migration"`
	// Direction is up or down.
	Direction string `json:"direction"`
	// SQL is the text that runs; it is empty in the event of the end.
	SQL string `json:"sql,omitempty"`
}

// ChangeSchema makes the event that announces a migration, or the one that
// tells its end, as the link after head.
func ChangeSchema(keyring *Keyring, head Head, kind EventType, change SchemaChange, occurrence Occurrence) (Event, Head) {
	return keyring.Append(head, Event{
		ID: occurrence.EventID, AggregateType: ChainSchema.AggregateType, AggregateID: ChainSchema.AggregateID,
		Type: kind, Payload: marshal(change), Metadata: marshal(occurrence.Origin),
		OccurredAt: occurrence.At.UTC().Truncate(time.Microsecond),
	})
}

// announce opens or closes an announcement.
func (v *Verifier) announce(link *link) {
	var change SchemaChange
	if link.event.Chain() != ChainSchema || json.Unmarshal([]byte(link.event.Payload), &change) != nil {
		return
	}
	v.announcements = slices.DeleteFunc(slices.Clone(v.announcements), func(a Announcement) bool {
		return a.Migration == change.Migration || TimeOfTSO(link.CommitTs).Sub(TimeOfTSO(a.CommitTs)) > announcementTTL
	})
	if link.event.Type == SchemaChangeAnnounced {
		v.announcements = append(v.announcements, Announcement{
			Migration: change.Migration, CommitTs: link.CommitTs, Statements: splitSQL(change.SQL),
		})
	}
}

// announced reports whether an open announcement has the statement of a
// schema change.
func (v *Verifier) announced(ddl AuditEntry) bool {
	statements := splitSQL(ddl.Statement())
	return slices.ContainsFunc(v.announcements, func(a Announcement) bool {
		return TimeOfTSO(ddl.CommitTs).Sub(TimeOfTSO(a.CommitTs)) <= announcementTTL &&
			len(statements) == 1 && slices.Contains(a.Statements, statements[0])
	})
}

// splitSQL returns the statements of a text in a form in which they can be
// compared: without comments, in lower case and with single spaces outside of
// quotes.
func splitSQL(text string) []string {
	var (
		statements []string
		statement  strings.Builder
	)
	space := func() {
		if statement.Len() > 0 && !strings.HasSuffix(statement.String(), " ") {
			statement.WriteByte(' ')
		}
	}
	end := func() {
		if done := strings.TrimSpace(statement.String()); done != "" {
			statements = append(statements, done)
		}
		statement.Reset()
	}
	for text != "" {
		switch {
		case lineComment(text):
			text = after(text, "\n")
			space()
		case strings.HasPrefix(text, "/*") && !runs(text[2:]):
			text = after(text, "*/")
			space()
		case strings.ContainsRune(" \t\r\n", rune(text[0])):
			text = text[1:]
			space()
		case text[0] == ';':
			text = text[1:]
			end()
		case strings.ContainsRune("'\"`", rune(text[0])):
			quoted := quotedPrefix(text)
			statement.WriteString(quoted)
			text = text[len(quoted):]
		default:
			statement.WriteByte(lower(text[0]))
			text = text[1:]
		}
	}
	end()
	return statements
}

// lineComment reports whether a comment begins that ends with the line; two
// dashes need a space behind them.
func lineComment(text string) bool {
	return text[0] == '#' || text == "--" || strings.HasPrefix(text, "--") && text[2] <= ' '
}

// runs reports whether a comment is one that TiDB runs:
// https://docs.pingcap.com/tidb/stable/comment-syntax
func runs(comment string) bool {
	for _, mark := range []string{"!", "M!", "T!", "+"} {
		if strings.HasPrefix(comment, mark) {
			return true
		}
	}
	return false
}

// lower is for ASCII, which is all that keywords have.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// after returns what follows the first mark, empty if there is none.
func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest
}

// quotedPrefix returns the quoted text at the beginning, quotes included, or
// all of the text if the quote does not end.
func quotedPrefix(text string) string {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] != '`':
			i++
		case text[i] == text[0]:
			return text[:i+1]
		}
	}
	return text
}
