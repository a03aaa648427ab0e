package http

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/query"
	"helfy/domain"
)

type auditInput struct {
	AuthInput
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Greatest number of entries"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"The next of the page before"`
}

type auditOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Entries         []auditEntry `json:"entries" doc:"Newest first"`
		Next            *string      `json:"next" doc:"Cursor of the next page, null at the end"`
		CompleteThrough *time.Time   `json:"completeThrough" doc:"Everything committed up to then is in the log, but for dead letters; null while unknown"`
	}
}

// auditEntry is an entry as it is answered.
type auditEntry struct {
	ID          string          `json:"id"`
	CommitTs    string          `json:"commitTs" doc:"TSO of the transaction, in decimal"`
	CommittedAt time.Time       `json:"committedAt"`
	Source      domain.Source   `json:"source" enum:"event,change"`
	EventType   string          `json:"eventType,omitempty" doc:"Events only"`
	Operation   string          `json:"operation,omitempty" enum:"INSERT,UPDATE,DELETE" doc:"Changes only"`
	Table       string          `json:"table"`
	UserID      *int64          `json:"userId"`
	Username    *string         `json:"username"`
	IP          *string         `json:"ip"`
	Seq         *uint64         `json:"seq" doc:"Place in the user's chain of events"`
	Old         json.RawMessage `json:"old" doc:"Row before the change: strings and nulls as they came over the wire"`
	New         json.RawMessage `json:"new" doc:"Row after the change, or the outbox row of an event"`
	Payload     json.RawMessage `json:"payload,omitempty" doc:"Events only: what happened"`
	Metadata    json.RawMessage `json:"metadata,omitempty" doc:"Events only: where it came from"`
}

func registerAudit(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/api/audit", Summary: "Read the audit log",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable},
	}, func(ctx context.Context, input *auditInput) (*auditOutput, error) {
		if _, err := input.admin(ctx, config); err != nil {
			return nil, err
		}
		before, err := parseCursor(input.Cursor)
		if err != nil {
			return nil, huma.Error400BadRequest("cursor is not one that this service gave", &huma.ErrorDetail{
				Message: "not a cursor", Location: "query.cursor",
			})
		}
		page, err := config.ListAudit.Handle(ctx, before, input.Limit)
		if err != nil {
			return nil, unavailable(ctx, config.Log, "read the audit log", err)
		}
		output := &auditOutput{CacheControl: noStore}
		output.Body.Entries = make([]auditEntry, len(page.Entries))
		for i, entry := range page.Entries {
			output.Body.Entries[i] = newAuditEntry(entry)
		}
		output.Body.Next = formatCursor(page.Next)
		output.Body.CompleteThrough = query.CompleteThroughTime(page.CompleteThrough)
		return output, nil
	})
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

func formatCursor(position *query.AuditPosition) *string {
	if position == nil {
		return nil
	}
	text, err := json.Marshal(position)
	if err != nil {
		panic(err) // a struct of numbers and strings has a JSON form
	}
	cursor := base64.RawURLEncoding.EncodeToString(text)
	return &cursor
}

func parseCursor(cursor string) (*query.AuditPosition, error) {
	if cursor == "" {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, err
	}
	var position query.AuditPosition
	if err := json.Unmarshal(text, &position); err != nil {
		return nil, err
	}
	return &position, nil
}
