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
		Findings    []finding     `json:"findings" doc:"What is wrong with these entries, as far as they are verified"`
	}
}

// tracedEntry is an entry with its way through the parts.
type tracedEntry struct {
	auditEntry
	Kafka coordinates `json:"kafka" doc:"Where the entry was first read"`
	Steps []step      `json:"steps" doc:"When the entry passed each part, in order"`
	Chain *chainLink  `json:"chain,omitempty" doc:"Events only: the link of a chain that the event is"`
}

// chainLink is an event as a link of its chain.
type chainLink struct {
	AggregateType string    `json:"aggregateType"`
	AggregateID   string    `json:"aggregateId"`
	Seq           uint64    `json:"seq" doc:"Place in the chain, from 1"`
	PrevHash      string    `json:"prevHash" doc:"Hash of the event before, empty for the first"`
	Hash          string    `json:"hash" doc:"HMAC of the event"`
	KeyID         string    `json:"keyId" doc:"Names the key of the HMAC"`
	MAC           query.MAC `json:"mac" enum:"valid,invalid,unknown-key" doc:"Whether a holder of the key has sealed the event as it is"`
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
		commitTs, err := input.recorded(ctx, config, "GET /api/audit/transactions/{commitTs}")
		if err != nil {
			return nil, err
		}
		transaction, err := config.ShowTransaction.Handle(ctx, commitTs)
		if errors.Is(err, query.ErrNoTransaction) {
			return nil, huma.Error404NotFound(err.Error())
		}
		if err != nil {
			return nil, unavailable(ctx, config.Log, "read a transaction", err)
		}
		output := &transactionOutput{}
		output.Body.CommitTs, output.Body.CommittedAt = strconv.FormatUint(commitTs, 10), domain.TimeOfTSO(commitTs)
		output.Body.Events, output.Body.Changes = []tracedEntry{}, []tracedEntry{}
		output.Body.Findings = newFindings(transaction.Findings)
		for _, entry := range transaction.Entries {
			if entry.Source == domain.SourceEvent {
				output.Body.Events = append(output.Body.Events, trace(entry))
			} else {
				output.Body.Changes = append(output.Body.Changes, trace(entry))
			}
		}
		return output, nil
	})
}

func trace(entry query.TransactionEntry) tracedEntry {
	traced := tracedEntry{
		auditEntry: newAuditEntry(entry.AuditEntry),
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
	if event := entry.Event; event != nil {
		traced.Chain = &chainLink{event.AggregateType, event.AggregateID, event.Seq, event.PrevHash, event.Hash, event.KeyID, entry.MAC}
		add("occurred", event.OccurredAt)
	}
	add("committed", domain.TimeOfTSO(entry.CommitTs))
	add("inKafka", entry.InKafkaAt)
	add("projected", entry.ProjectedAt)
	return traced
}
