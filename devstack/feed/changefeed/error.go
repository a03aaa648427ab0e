package changefeed

import (
	"fmt"
	"net/http"
	"slices"
)

// Error is an error as TiCDC's HTTP API reports it.
type Error struct {
	// Code is TiCDC's, such as "CDC:ErrAPIInvalidParam".
	Code    string
	Message string
}

// The codes that are in use, named as in TiCDC.
const (
	ErrAlreadyExists     = "CDC:ErrChangeFeedAlreadyExists"
	ErrNotExists         = "CDC:ErrChangeFeedNotExists"
	ErrInvalidParam      = "CDC:ErrAPIInvalidParam"
	ErrSinkURI           = "CDC:ErrSinkURIInvalid"
	ErrKafkaConfig       = "CDC:ErrKafkaInvalidConfig"
	ErrFilterRule        = "CDC:ErrFilterRuleInvalid"
	ErrIgnoreEvent       = "CDC:ErrInvalidIgnoreEventType"
	ErrTopicExpression   = "CDC:ErrKafkaInvalidTopicExpression"
	ErrDispatcher        = "CDC:ErrDispatcherFailed"
	ErrColumnSelector    = "CDC:ErrColumnSelectorFailed"
	ErrTableIneligible   = "CDC:ErrTableIneligible"
	ErrStartTsBeforeGC   = "CDC:ErrStartTsBeforeGC"
	ErrTargetBeforeStart = "CDC:ErrTargetTsBeforeStartTs"
	ErrPartitionNum      = "CDC:ErrKafkaInvalidPartitionNum"
	ErrRenameTable       = "CDC:ErrSyncRenameTableFailed"
	ErrMessageTooLarge   = "CDC:ErrMessageTooLarge"
	ErrKafkaSend         = "CDC:ErrKafkaAsyncSendMessage"
	ErrKafkaNew          = "CDC:ErrKafkaNewProducer"
	ErrGCTTL             = "CDC:ErrGCTTLExceeded"
	ErrUpdateRefused     = "CDC:ErrChangefeedUpdateRefused"
	ErrUnexpected        = "CDC:ErrInternalServerError"
)

// badRequest lists the codes that TiCDC answers with 400; the rest is 500.
var badRequest = []string{
	ErrInvalidParam, ErrSinkURI, ErrStartTsBeforeGC, ErrNotExists, ErrTargetBeforeStart,
	ErrTableIneligible, ErrFilterRule, ErrUpdateRefused,
}

// Errorf returns an *Error.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return fmt.Sprintf("[%s]%s", e.Code, e.Message) }

// Status is the HTTP status of the answer.
func (e *Error) Status() int {
	if slices.Contains(badRequest, e.Code) {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}
