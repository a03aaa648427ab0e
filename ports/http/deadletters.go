package http

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/command"
	"helfy/app/projection"
	"helfy/app/query"
	"helfy/domain"
)

type (
	deadLetterLister interface {
		Handle(
			ctx context.Context, filter projection.DeadLetterFilter, behind *query.DeadLetterPosition, limit int,
		) ([]projection.DeadLetter, *query.DeadLetterPosition, error)
	}
	deadLetterWaiver interface {
		Handle(context.Context, command.Waive) (domain.Waiver, error)
	}
)

type deadLettersInput struct {
	AuthInput
	Limit      int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Greatest number of dead letters"`
	Cursor     string `query:"cursor" maxLength:"2048" doc:"The next of the page before"`
	Projection string `query:"projection" pattern:"^[a-z_]{1,32}$" doc:"Only those of a projection"`
	State      string `query:"state" enum:"open,waived" doc:"Only those of a state"`
}

type deadLettersOutput struct {
	Body struct {
		DeadLetters []deadLetter `json:"deadLetters" doc:"Of the live generations, by projection, topic, partition and offset"`
		Next        *string      `json:"next" doc:"Cursor of the next page, null at the end"`
	}
}

// deadLetter is a dead letter as it is answered.
type deadLetter struct {
	Projection string                     `json:"projection"`
	Generation int                        `json:"generation"`
	Topic      string                     `json:"topic"`
	TopicID    string                     `json:"topicId"`
	Partition  int32                      `json:"partition"`
	Offset     int64                      `json:"offset"`
	State      projection.DeadLetterState `json:"state" enum:"open,waived"`
	Reason     string                     `json:"reason" doc:"Why the projection could make nothing of the message"`
	Size       int64                      `json:"size" doc:"Length of the message in bytes"`
	Digest     string                     `json:"digest" doc:"SHA-256 of the message"`
	SentAt     *time.Time                 `json:"sentAt"`
	SeenAt     *time.Time                 `json:"seenAt"`
	Value      string                     `json:"value" doc:"The first 4 KiB of the message; what is not UTF-8 is U+FFFD"`
	Waiver     *waiver                    `json:"waiver,omitempty"`
}

type waiver struct {
	Reason      string    `json:"reason"`
	By          string    `json:"by"`
	EventID     string    `json:"eventId"`
	CommittedAt time.Time `json:"committedAt"`
}

// DeadLetterPlace names a dead letter. It is exported because huma reads
// exported fields only.
type DeadLetterPlace struct {
	Projection string `json:"projection,omitempty" pattern:"^[a-z_]{1,32}$" doc:"Only that of a projection"`
	Topic      string `json:"topic" minLength:"1" maxLength:"249"`
	Partition  int32  `json:"partition" minimum:"0"`
	Offset     int64  `json:"offset" minimum:"0"`
}

func (p DeadLetterPlace) place() projection.Place {
	return projection.Place{Topic: p.Topic, Partition: p.Partition, Offset: p.Offset}
}

type retryInput struct {
	AuthInput
	Body DeadLetterPlace
}

type retryOutput struct {
	Body struct {
		Retried []retriedLetter `json:"retried" doc:"What became of it in each projection that had it"`
	}
}

type retriedLetter struct {
	Projection string                     `json:"projection"`
	Understood bool                       `json:"understood"`
	Rows       int                        `json:"rows" doc:"How many rows were made of it"`
	State      projection.DeadLetterState `json:"state,omitempty" doc:"Of one that is not understood still"`
	Reason     string                     `json:"reason,omitempty" doc:"Why it is not"`
}

type waiveInput struct {
	AuthInput
	Body struct {
		DeadLetterPlace
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why the projections may do without it. It is kept for ever: name no secret"`
	}
}

type waiveOutput struct {
	Body struct {
		Projections []string `json:"projections" doc:"Those that may do without it, once the event is verified"`
	}
}

func registerDeadLetters(api huma.API, config Config) {
	refusals := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable}
	huma.Register(api, huma.Operation{
		OperationID: "list-dead-letters", Method: http.MethodGet, Path: "/api/deadletters",
		Summary: "List the messages that projections could not understand", Errors: refusals,
	}, func(ctx context.Context, input *deadLettersInput) (*deadLettersOutput, error) {
		reader, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		behind, err := parseCursor[query.DeadLetterPosition](input.Cursor)
		if err != nil {
			return nil, badCursor()
		}
		set := parameters{}
		set.add("projection", input.Projection)
		set.add("state", input.State)
		if err := recordReading(ctx, config, reader, "GET /api/deadletters", set); err != nil {
			return nil, err
		}
		filter := projection.DeadLetterFilter{Projection: input.Projection, State: projection.DeadLetterState(input.State)}
		letters, next, err := config.ListDeadLetters.Handle(ctx, filter, behind, input.Limit)
		if err != nil {
			return nil, doingProblem(ctx, config, "list dead letters", err)
		}
		output := &deadLettersOutput{}
		output.Body.DeadLetters, output.Body.Next = make([]deadLetter, len(letters)), formatCursor(next)
		for i, letter := range letters {
			output.Body.DeadLetters[i] = newDeadLetter(letter)
		}
		return output, nil
	})
	refusals = append(refusals, http.StatusConflict)
	huma.Register(api, huma.Operation{
		OperationID: "retry-dead-letter", Method: http.MethodPost, Path: "/api/deadletters/retry",
		Summary: "Try a dead letter again, as after an upgrade", MaxBodyBytes: maxBody, Errors: refusals,
	}, func(ctx context.Context, input *retryInput) (*retryOutput, error) {
		by, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		tried, err := config.Doings.Retry(ctx, adminOf(ctx, by), input.Body.Projection, input.Body.place())
		if err != nil {
			return nil, doingProblem(ctx, config, "retry a dead letter", err)
		}
		output := &retryOutput{}
		for _, one := range tried {
			output.Body.Retried = append(output.Body.Retried, retriedLetter{one.Projection, one.Reason == "", one.Rows, one.State, one.Reason})
		}
		return output, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "waive-dead-letter", Method: http.MethodPost, Path: "/api/deadletters/waive",
		Summary: "Record that projections may do without a dead letter", MaxBodyBytes: maxBody, Errors: refusals,
	}, func(ctx context.Context, input *waiveInput) (*waiveOutput, error) {
		by, err := input.requireAdmin(ctx, config)
		if err != nil {
			return nil, err
		}
		waive := command.Waive{
			Place: input.Body.place(), Only: input.Body.Projection, Projections: config.Projected, Reason: input.Body.Reason,
			By: answerable(by), Origin: originBy(ctx, by),
		}
		waived, err := config.WaiveDeadLetter.Handle(ctx, waive)
		if err != nil {
			return nil, doingProblem(ctx, config, "waive a dead letter", err)
		}
		output := &waiveOutput{}
		output.Body.Projections = waived.Projections
		return output, nil
	})
}

// answerable names who answers for a waiver.
func answerable(by query.SignedIn) string {
	if len([]rune(by.Username)) > domain.MaxWaiverBy {
		return "user:" + by.UserID.String()
	}
	return by.Username
}

func newDeadLetter(d projection.DeadLetter) deadLetter {
	letter := deadLetter{
		Projection: d.Projection, Generation: d.Generation, Topic: d.Topic, TopicID: d.TopicID, Partition: d.Partition, Offset: d.Offset,
		State: d.State(), Reason: d.Reason, Size: d.Size, Digest: d.Digest, SentAt: orNil(d.InKafkaAt), SeenAt: orNil(d.SeenAt),
		Value: strings.ToValidUTF8(string(d.Value), "\uFFFD"),
	}
	if w := d.Waived; w != nil {
		letter.Waiver = &waiver{Reason: w.Reason, By: w.By, EventID: w.EventID, CommittedAt: domain.TimeOfTSO(w.CommitTs)}
	}
	return letter
}
