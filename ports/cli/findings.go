package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"helfy/app/query"
	"helfy/domain"
)

type auditFindings struct {
	JSON bool `help:"Print a JSON line each."`
}

// findingLine is a finding as it is printed.
type findingLine struct {
	Kind        domain.FindingKind `json:"kind"`
	UserID      domain.UserID      `json:"userId"`
	Username    string             `json:"username"`
	CommitTs    string             `json:"commitTs"`
	CommittedAt time.Time          `json:"committedAt"`
	Table       string             `json:"table"`
	RowKey      string             `json:"rowKey"`
	Detail      string             `json:"detail"`
	Topic       string             `json:"topic"`
	Partition   int32              `json:"partition"`
	Offset      int64              `json:"offset"`
}

// Run implements the command. Findings are no failure of it.
func (f auditFindings) Run(s session) error {
	config, err := s.config(false)
	if err != nil {
		return err
	}
	print := printFinding
	if f.JSON {
		print = printFindingJSON
	}
	count := 0
	through, err := config.Findings(s.ctx, func(found query.Finding) error {
		count++
		return print(s.stdout, found.Finding)
	})
	if err != nil || f.JSON {
		return err
	}
	verified := "not verified yet"
	if through != 0 {
		verified = "verified through " + domain.TimeOfTSO(through).Format(time.RFC3339Nano)
	}
	return s.say("%d findings; the log is %s", count, verified)
}

func printFindingJSON(w io.Writer, found domain.Finding) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	if err := out.Encode(newFindingLine(found)); err != nil {
		return fmt.Errorf("print a finding: %w", err)
	}
	return nil
}

func newFindingLine(found domain.Finding) findingLine {
	return findingLine{
		Kind: found.Kind, UserID: found.UserID, Username: found.Username,
		CommitTs: *tso(found.CommitTs), CommittedAt: domain.TimeOfTSO(found.CommitTs), Table: found.Table, RowKey: found.RowKey,
		Detail: found.Detail, Topic: found.Topic, Partition: found.Partition, Offset: found.Offset,
	}
}

// printFinding prints a paragraph: what, when and where, and why below.
func printFinding(w io.Writer, found domain.Finding) error {
	about, where := found.Table, found.Table+"/"+printable(found.RowKey)
	if found.UserID != 0 {
		about = fmt.Sprintf("user %d (%q)", found.UserID, found.Username)
	}
	if found.Topic != "" {
		where = fmt.Sprintf("%s[%d]@%d", found.Topic, found.Partition, found.Offset)
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s  %s  commitTs %d\n    %s\n",
		domain.TimeOfTSO(found.CommitTs).Format("2006-01-02T15:04:05.000Z07:00"), found.Kind, about, where, found.CommitTs, printable(found.Detail))
	if err != nil {
		return fmt.Errorf("print a finding: %w", err)
	}
	return nil
}

// printable keeps what somebody wrote into the database from playing tricks
// on a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
