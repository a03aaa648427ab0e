package ticdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
)

// TiCDC's error codes that matter here, without their prefix: see
// pkg/errors/cdc_errors.go in its source.
const (
	codeNotExists     = "ErrChangeFeedNotExists"
	codeAlreadyExists = "ErrChangeFeedAlreadyExists"
	codeUpdateRefused = "ErrChangefeedUpdateRefused"
	codeBeforeGC      = "ErrStartTsBeforeGC"
	codeGCTTL         = "ErrGCTTLExceeded"
	codeGCSnapshot    = "ErrSnapshotLostByGC"
	codeNotReady      = "ErrServerIsNotReady"
	codeSinkURI       = "ErrSinkURIInvalid"
	codeIneligible    = "ErrTableIneligible"
	codeInvalid       = "ErrAPIInvalidParam"
	codeFilter        = "ErrFilterRuleInvalid"
)

// transientCodes are those of a server, or of what it needs, that is about to
// be ready.
var transientCodes = []string{
	codeNotReady, "ErrOwnerNotFound", "ErrCoordinatorNotFound", "ErrNotOwner", "ErrPDEtcdAPIError", "ErrCaptureNotExist",
	"ErrChangeFeedDeletionUnfinished", "ErrReachMaxTry", "ErrKafkaNewProducer", "ErrKafkaNewSaramaProducer", "ErrKafkaCreateTopic",
}

// advice says what to do about a code.
var advice = map[string]string{
	codeNotReady:   "it is starting: try again",
	codeBeforeGC:   "TiDB has given up what was committed after that: helfy changefeed ensure --replace begins anew, and the gap is recorded",
	codeSinkURI:    "look at CHANGEFEED_KAFKA_BROKERS, KAFKA_CHANGES_TOPIC and the settings of TLS and SASL: TiCDC must reach Kafka by them",
	codeIneligible: "each table needs a primary key or a unique key without NULL: run helfy migrate up, and look who changed the tables",
	codeInvalid:    "look at CHANGEFEED_ID (letters, digits and hyphens) and TIDB_DATABASE",
	codeFilter:     "look at TIDB_DATABASE",
}

// APIError is an answer of TiCDC that is no success.
type APIError struct {
	Status  int
	Code    string `json:"error_code"`
	Message string `json:"error_msg"`
}

// Error implements error. It holds no secret.
func (e *APIError) Error() string {
	text := fmt.Sprintf("TiCDC answered %d", e.Status)
	if e.Code != "" && !strings.Contains(e.Message, e.Code) {
		text += " " + e.Code
	}
	if e.Message != "" {
		text += ": " + withoutSecrets(e.Message)
	}
	for code, what := range advice {
		if strings.HasSuffix(e.Code, code) {
			text += " (" + what + ")"
		}
	}
	return text
}

// apiError reads an answer that is no success: TiCDC's, or that of something
// in front of it.
func apiError(status int, text []byte) error {
	fault := &APIError{}
	if json.Unmarshal(text, fault) != nil || fault.Message == "" && fault.Code == "" {
		fault = &APIError{Message: http.StatusText(status) + ", and no reason that TiCDC would give: " + quote(text)}
	}
	fault.Status = status
	return fault
}

// hasCode reports whether an error is an answer of TiCDC with one of the codes.
func hasCode(err error, codes ...string) bool {
	var fault *APIError
	if !errors.As(err, &fault) {
		return false
	}
	for _, code := range codes {
		// Some answers carry another code, and the one that matters in the text.
		if strings.HasSuffix(fault.Code, ":"+code) || fault.Code == code || strings.Contains(fault.Message, "[CDC:"+code+"]") {
			return true
		}
	}
	return false
}

// IsTransient reports whether what was asked of TiCDC may succeed when it is
// asked again: it is not there, not ready, or cannot reach what it needs.
func IsTransient(err error) bool {
	var network net.Error
	var fault *APIError
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &fault):
		return hasCode(err, transientCodes...) || slices.Contains(transientStatuses, fault.Status)
	}
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// transientStatuses are those of TiCDC, and of proxies in front of it, that
// another try may change.
var transientStatuses = []int{
	http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// IsRefused reports whether who answered is not TiCDC, or will not be asked, so
// that asking again is most likely in vain.
func IsRefused(err error) bool {
	var fault *APIError
	return errors.Is(err, errNotTiCDC) || errors.As(err, &fault) && !IsTransient(err)
}
