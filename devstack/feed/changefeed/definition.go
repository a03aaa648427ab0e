package changefeed

import (
	"encoding/json"
	"regexp"
)

// Request is the body of TiCDC's call that creates a changefeed.
type Request struct {
	Namespace string          `json:"namespace"`
	ID        string          `json:"changefeed_id"`
	StartTs   uint64          `json:"start_ts"`
	TargetTs  uint64          `json:"target_ts"`
	SinkURI   string          `json:"sink_uri"`
	Config    json.RawMessage `json:"replica_config"`
}

// Definition is a checked request.
type Definition struct {
	Request
	// Document is the whole configuration, for answers.
	Document map[string]any
	Config   *Config
	Target   *Target
}

var validID = regexp.MustCompile(`^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$`)

// maxIDLength is TiCDC's.
const maxIDLength = 128

// Parse checks a request, whose ID must be set. Errors are of type *Error
// when the request is at fault. Rules and dispatchers are checked by the
// package that obeys them.
func Parse(request Request) (*Definition, error) {
	if !validID.MatchString(request.ID) || len(request.ID) > maxIDLength {
		return nil, Errorf(ErrInvalidParam, "invalid changefeed_id: %s", request.ID)
	}
	if request.Namespace == "" {
		request.Namespace = "default"
	}
	if request.Namespace != "default" {
		return nil, Errorf(ErrInvalidParam, "namespace: devstack knows only the namespace default, not %s", request.Namespace)
	}
	document, config, err := parseConfig(request.Config)
	if err != nil {
		return nil, err
	}
	target, err := parseURI(request.SinkURI, config)
	if err != nil {
		return nil, err
	}
	if request.TargetTs > 0 && request.TargetTs <= request.StartTs {
		return nil, Errorf(ErrTargetBeforeStart, "target_ts %d is not after start_ts %d", request.TargetTs, request.StartTs)
	}
	if sink, ok := document["sink"].(map[string]any); ok {
		sink["protocol"] = config.Sink.Protocol
	}
	return &Definition{Request: request, Document: document, Config: config, Target: target}, nil
}
