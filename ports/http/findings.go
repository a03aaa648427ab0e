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

type findingsInput struct {
	AuthInput
	Limit  int                `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Greatest number of findings"`
	Cursor string             `query:"cursor" maxLength:"2048" doc:"The next of the page before"`
	Kind   domain.FindingKind `query:"kind" pattern:"^[a-z-]{1,32}$" doc:"Such as unattributed-change"`
	UserID int64              `query:"userId" minimum:"1" doc:"Id of the user"`
}

type findingsOutput struct {
	Body struct {
		Findings        []finding  `json:"findings" doc:"Newest commit first"`
		Next            *string    `json:"next" doc:"Cursor of the next page, null at the end"`
		VerifiedThrough *time.Time `json:"verifiedThrough" doc:"Everything committed up to then is verified; null before the first time and when verification began anew"`
	}
}

// finding is something wrong with the trail, as it is answered.
type finding struct {
	Kind        domain.FindingKind `json:"kind"`
	UserID      *int64             `json:"userId"`
	Username    *string            `json:"username"`
	CommitTs    string             `json:"commitTs" doc:"TSO of the transaction, in decimal"`
	CommittedAt time.Time          `json:"committedAt"`
	Table       string             `json:"table"`
	RowKey      string             `json:"rowKey" doc:"Primary key of the row, empty for a schema change"`
	Detail      string             `json:"detail" doc:"What is wrong, in words"`
	Kafka       coordinates        `json:"kafka" doc:"Where the entry was first read"`
	Old         json.RawMessage    `json:"old" doc:"Row before the change, as in the audit log"`
	New         json.RawMessage    `json:"new" doc:"Row after the change, the outbox row of an event, or the query of a schema change"`
}

func registerFindings(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "list-findings", Method: http.MethodGet, Path: "/api/audit/findings",
		Summary: "Read what is wrong with the audit log",
		Errors:  []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable},
	}, func(ctx context.Context, input *findingsInput) (*findingsOutput, error) {
		reader, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		before, err := parseCursor[query.FindingPosition](input.Cursor)
		if err != nil {
			return nil, badCursor()
		}
		if err := recordReading(ctx, config, reader, "GET /api/audit/findings", input.recorded()); err != nil {
			return nil, err
		}
		filter := query.FindingFilter{Kind: input.Kind, UserID: domain.UserID(input.UserID)}
		page, err := config.ListFindings.Handle(ctx, filter, before, input.Limit)
		if err != nil {
			return nil, unavailable(ctx, config.Log, "read the findings", err)
		}
		output := &findingsOutput{}
		output.Body.Findings = newFindings(page.Findings)
		output.Body.Next = formatCursor(page.Next)
		output.Body.VerifiedThrough = query.CompleteThroughTime(page.VerifiedThrough)
		return output, nil
	})
}

func newFindings(found []query.Finding) []finding {
	answers := make([]finding, len(found))
	for i, one := range found {
		answers[i] = newFinding(one)
	}
	return answers
}

func newFinding(found query.Finding) finding {
	return finding{
		Kind: found.Kind, UserID: orNil(int64(found.UserID)), Username: orNil(found.Username),
		CommitTs: strconv.FormatUint(found.CommitTs, 10), CommittedAt: domain.TimeOfTSO(found.CommitTs),
		Table: found.Table, RowKey: found.RowKey, Detail: found.Detail,
		Kafka: coordinates{Topic: found.Topic, Partition: found.Partition, Offset: found.Offset},
		Old:   found.Old, New: found.New,
	}
}
