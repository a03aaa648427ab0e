package http

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/query"
	"helfy/domain"
)

type transactionInput struct {
	AuthInput
	CommitTs string `path:"commitTs" pattern:"^[0-9]{1,20}$" doc:"TSO of the transaction, in decimal"`
}

type transactionOutput struct {
	Body struct {
		CommitTs    string        `json:"commitTs"`
		CommittedAt time.Time     `json:"committedAt"`
		Events      []tracedEntry `json:"events" doc:"Why"`
		Changes     []tracedEntry `json:"changes" doc:"What"`
	}
}

// tracedEntry is an entry with its way through the parts.
type tracedEntry struct {
	auditEntry
	Kafka coordinates `json:"kafka" doc:"Where the entry was first read"`
	Steps []step      `json:"steps" doc:"When the entry passed each part, in order"`
}

type coordinates struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// step is one part of an entry's way. Clocks of several machines are compared
// here, so a lag can be negative.
type step struct {
	Name      string    `json:"name" enum:"occurred,committed,inKafka,projected"`
	At        time.Time `json:"at"`
	LagMillis float64   `json:"lagMillis" doc:"Since the step before"`
}

func registerTransaction(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "show-transaction", Method: http.MethodGet, Path: "/api/audit/transactions/{commitTs}",
		Summary: "Read all entries of one commit, and how long each step took",
		Errors:  []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable},
	}, func(ctx context.Context, input *transactionInput) (*transactionOutput, error) {
		reader, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		commitTs, err := strconv.ParseUint(input.CommitTs, 10, 64)
		if err != nil {
			return nil, huma.Error400BadRequest("validation failed", &huma.ErrorDetail{Message: "not a TSO", Location: "path.commitTs"})
		}
		err = recordReading(ctx, config, reader, "GET /api/audit/transactions/{commitTs}",
			parameters{"commitTs": strconv.FormatUint(commitTs, 10)})
		if err != nil {
			return nil, err
		}
		entries, err := config.ShowTransaction.Handle(ctx, commitTs)
		if errors.Is(err, query.ErrNoTransaction) {
			return nil, huma.Error404NotFound(err.Error())
		}
		if err != nil {
			return nil, unavailable(ctx, config.Log, "read a transaction", err)
		}
		output := &transactionOutput{}
		output.Body.CommitTs, output.Body.CommittedAt = strconv.FormatUint(commitTs, 10), domain.TimeOfTSO(commitTs)
		output.Body.Events, output.Body.Changes = []tracedEntry{}, []tracedEntry{}
		for _, entry := range entries {
			if entry.Source == domain.SourceEvent {
				output.Body.Events = append(output.Body.Events, trace(entry))
			} else {
				output.Body.Changes = append(output.Body.Changes, trace(entry))
			}
		}
		return output, nil
	})
}

func trace(entry domain.AuditEntry) tracedEntry {
	traced := tracedEntry{
		auditEntry: newAuditEntry(entry),
		Kafka:      coordinates{Topic: entry.Topic, Partition: entry.Partition, Offset: entry.Offset},
	}
	add := func(name string, at time.Time) {
		if at.IsZero() {
			return
		}
		lag := 0.0
		if n := len(traced.Steps); n > 0 {
			lag = float64(at.Sub(traced.Steps[n-1].At).Microseconds()) / 1000
		}
		traced.Steps = append(traced.Steps, step{Name: name, At: at, LagMillis: lag})
	}
	add("occurred", occurredAt(entry))
	add("committed", domain.TimeOfTSO(entry.CommitTs))
	add("inKafka", entry.InKafkaAt)
	add("projected", entry.ProjectedAt)
	return traced
}

// occurredAt returns when an event happened by the service's clock, and the
// zero time for a change.
func occurredAt(entry domain.AuditEntry) time.Time {
	if entry.Source != domain.SourceEvent {
		return time.Time{}
	}
	event, err := entry.Event()
	if err != nil {
		return time.Time{} // a row written by hand can say anything
	}
	return event.OccurredAt
}
