package http

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/query"
	"helfy/domain"
)

// AuditFilterInput is embedded in the input of every operation that chooses
// entries. It is exported because huma reads exported fields only.
type AuditFilterInput struct {
	User      string        `query:"user" maxLength:"255" doc:"Username, exactly"`
	UserID    int64         `query:"userId" minimum:"1" doc:"Id of the user"`
	EventType string        `query:"eventType" pattern:"^[A-Z_]{1,64}$" doc:"Such as LOGIN_SUCCESS"`
	Operation string        `query:"operation" pattern:"^[A-Z]{1,16}$" doc:"INSERT, UPDATE, DELETE or the kind of a schema change"`
	Table     string        `query:"table" maxLength:"64" doc:"Table"`
	Source    domain.Source `query:"source" enum:"event,change" doc:"Why or what"`
	IP        string        `query:"ip" format:"ip" doc:"Client's address"`
	Reads     bool          `query:"reads" doc:"Also the events of who has read the log, which are left out unless eventType asks for AUDIT_READ"`
}

// filter returns what the query asks for.
func (i AuditFilterInput) filter() query.AuditFilter {
	return query.AuditFilter{
		UserID: domain.UserID(i.UserID), Username: i.User, EventType: domain.EventType(i.EventType),
		Operation: i.Operation, Table: i.Table, Source: i.Source, IP: i.IP, Reads: i.Reads,
	}
}

// AuditTimesInput is embedded in the input of every operation that chooses
// entries by their time. It is exported because huma reads exported fields
// only.
type AuditTimesInput struct {
	From time.Time `query:"from" doc:"Committed at or after, RFC 3339"`
	To   time.Time `query:"to" doc:"Committed before, RFC 3339"`
}

// bound returns the filter within the times, or what is wrong with them.
func (i AuditTimesInput) bound(filter query.AuditFilter) (query.AuditFilter, *huma.ErrorDetail) {
	epoch := time.Unix(0, 0)
	for name, at := range map[string]time.Time{"from": i.From, "to": i.To} {
		if !at.IsZero() && at.Before(epoch) {
			return filter, &huma.ErrorDetail{Message: "before 1970", Location: "query." + name}
		}
	}
	if !i.From.IsZero() && !i.To.IsZero() && !i.From.Before(i.To) {
		return filter, &huma.ErrorDetail{Message: "not before query.to", Location: "query.from"}
	}
	filter.From, filter.To = i.From, i.To
	return filter, nil
}

type auditInput struct {
	AuthInput
	AuditFilterInput
	AuditTimesInput
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Greatest number of entries"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"The next of the page before"`
}

type auditOutput struct {
	Body struct {
		Entries         []auditEntry `json:"entries" doc:"Newest first"`
		Next            *string      `json:"next" doc:"Cursor of the next page, null at the end"`
		CompleteThrough *time.Time   `json:"completeThrough" doc:"Everything committed up to then is in the log, but for dead letters and gaps; null while unknown"`
		DeadLetters     int64        `json:"deadLetters,omitempty" doc:"Records that could not be understood and were neither retried nor waived"`
		Gaps            []query.Gap  `json:"gaps,omitempty" doc:"Times whose commits no changefeed has sent"`
	}
}

// auditEntry is an entry as it is answered.
type auditEntry struct {
	ID          string          `json:"id"`
	CommitTs    string          `json:"commitTs" doc:"TSO of the transaction, in decimal"`
	CommittedAt time.Time       `json:"committedAt"`
	Source      domain.Source   `json:"source" enum:"event,change"`
	EventType   string          `json:"eventType,omitempty" doc:"Events only"`
	Operation   string          `json:"operation,omitempty" doc:"Changes only: INSERT, UPDATE, DELETE or the kind of a schema change"`
	Table       string          `json:"table"`
	UserID      *int64          `json:"userId"`
	Username    *string         `json:"username"`
	IP          *string         `json:"ip"`
	Seq         *uint64         `json:"seq" doc:"Place in the user's chain of events"`
	Old         json.RawMessage `json:"old" doc:"Row before the change: strings and nulls as they came over the wire"`
	New         json.RawMessage `json:"new" doc:"Row after the change, the outbox row of an event, or the query of a schema change"`
	Payload     json.RawMessage `json:"payload,omitempty" doc:"Events only: what happened"`
	Metadata    json.RawMessage `json:"metadata,omitempty" doc:"Events only: where it came from"`
}

func registerAudit(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/api/audit", Summary: "Read the audit log",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable},
	}, func(ctx context.Context, input *auditInput) (*auditOutput, error) {
		reader, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		filter, fault := input.bound(input.filter())
		if fault != nil {
			return nil, huma.Error400BadRequest("validation failed", fault)
		}
		before, err := parseCursor[query.AuditPosition](input.Cursor)
		if err != nil {
			return nil, badCursor()
		}
		if err := recordReading(ctx, config, reader, "GET /api/audit", input.recorded()); err != nil {
			return nil, err
		}
		page, err := config.ListAudit.Handle(ctx, filter, before, input.Limit)
		if err != nil {
			return nil, unavailable(ctx, config.Log, "read the audit log", err)
		}
		output := &auditOutput{}
		output.Body.Entries = newAuditEntries(page.Entries)
		output.Body.DeadLetters, output.Body.Gaps = page.DeadLetters, page.Gaps
		output.Body.Next = formatCursor(page.Next)
		output.Body.CompleteThrough = query.CompleteThroughTime(page.CompleteThrough)
		return output, nil
	})
}

func newAuditEntries(entries []domain.AuditEntry) []auditEntry {
	answers := make([]auditEntry, len(entries))
	for i, entry := range entries {
		answers[i] = newAuditEntry(entry)
	}
	return answers
}

func newAuditEntry(entry domain.AuditEntry) auditEntry {
	answer := auditEntry{
		ID: entry.ID(), CommitTs: strconv.FormatUint(entry.CommitTs, 10), CommittedAt: domain.TimeOfTSO(entry.CommitTs),
		Source: entry.Source, Table: entry.Table,
		UserID: orNil(int64(entry.UserID)), Username: orNil(entry.Username), IP: orNil(entry.IP), Seq: orNil(entry.Seq),
		Old: entry.Old, New: entry.New,
	}
	if entry.Source == domain.SourceChange {
		answer.Operation = entry.Operation()
		return answer
	}
	answer.EventType = string(entry.EventType)
	// The projection has checked that both are JSON inside of JSON strings.
	var row struct {
		Payload  string `json:"payload"`
		Metadata string `json:"metadata"`
	}
	if json.Unmarshal(entry.New, &row) == nil {
		answer.Payload, answer.Metadata = json.RawMessage(row.Payload), json.RawMessage(row.Metadata)
	}
	return answer
}

func orNil[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
