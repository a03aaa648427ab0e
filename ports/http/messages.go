package http

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"helfy/app/query"
)

type messageLister interface {
	Handle(ctx context.Context, commitTs uint64) (messages []query.Message, omitted int, err error)
}

type messagesOutput struct {
	Body struct {
		Messages []kafkaMessage `json:"messages" doc:"By topic, partition and offset"`
		Omitted  int            `json:"omitted,omitempty" doc:"How many more there are, which are left out"`
	}
}

// kafkaMessage is a message as Kafka has it.
type kafkaMessage struct {
	coordinates
	At        *time.Time `json:"at" doc:"Timestamp of the record; null if it is missing"`
	Value     *string    `json:"value" doc:"Canal-JSON, byte for byte; null if it is missing"`
	Size      int        `json:"size" doc:"Length of the whole message in bytes"`
	Truncated bool       `json:"truncated,omitempty" doc:"Only the first 64 KiB are shown"`
	Missing   string     `json:"missing,omitempty" doc:"Why the message cannot be shown"`
}

func registerMessages(api huma.API, config Config) {
	huma.Register(api, huma.Operation{
		OperationID: "list-messages", Method: http.MethodGet, Path: "/api/audit/transactions/{commitTs}/messages",
		Summary: "Read the Kafka messages that the entries of one commit were made of",
		Errors:  []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable},
	}, func(ctx context.Context, input *transactionInput) (*messagesOutput, error) {
		commitTs, err := input.recorded(ctx, config, "GET /api/audit/transactions/{commitTs}/messages")
		if err != nil {
			return nil, err
		}
		messages, omitted, err := config.ListMessages.Handle(ctx, commitTs)
		if errors.Is(err, query.ErrNoTransaction) {
			return nil, huma.Error404NotFound(err.Error())
		}
		if err != nil {
			return nil, unavailable(ctx, config.Log, "read messages", err)
		}
		output := &messagesOutput{}
		output.Body.Messages, output.Body.Omitted = make([]kafkaMessage, len(messages)), omitted
		for i, message := range messages {
			output.Body.Messages[i] = newMessage(message)
		}
		return output, nil
	})
}

func newMessage(m query.Message) kafkaMessage {
	message := kafkaMessage{
		coordinates: coordinates{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset},
		At:          orNil(m.At), Size: m.Size, Truncated: len(m.Value) < m.Size, Missing: m.Missing,
	}
	if m.Missing == "" {
		// Only a character that was cut off is not UTF-8.
		value := strings.ToValidUTF8(string(m.Value), "")
		message.Value = &value
	}
	return message
}

// recorded returns the commitTs that an administrator asks for, when that is
// recorded.
func (i transactionInput) recorded(ctx context.Context, config Config, route string) (uint64, error) {
	reader, err := i.requireAdmin(ctx, config)
	if err != nil {
		return 0, err
	}
	commitTs, err := strconv.ParseUint(i.CommitTs, 10, 64)
	if err != nil {
		return 0, huma.Error400BadRequest("validation failed", &huma.ErrorDetail{Message: "not a TSO", Location: "path.commitTs"})
	}
	return commitTs, recordReading(ctx, config, reader, route, parameters{"commitTs": strconv.FormatUint(commitTs, 10)})
}
