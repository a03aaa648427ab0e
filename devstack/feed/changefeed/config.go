// Package changefeed holds the definition of a changefeed: what TiCDC's HTTP
// API v2 is given, with the defaults filled in, checked, and refused where it
// asks for what is not implemented.
package changefeed

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"
)

// Config is the part of TiCDC's replica_config that has an effect here. The
// meaning of each member is documented at
// https://docs.pingcap.com/tidb/v8.5/ticdc-changefeed-config.
type Config struct {
	CaseSensitive         bool     `json:"case_sensitive"`
	ForceReplicate        bool     `json:"force_replicate"`
	IgnoreIneligibleTable bool     `json:"ignore_ineligible_table"`
	ErrorStuckDuration    Duration `json:"changefeed_error_stuck_duration"`
	Filter                Filter   `json:"filter"`
	Sink                  Sink     `json:"sink"`
}

// Filter selects tables and events.
type Filter struct {
	Rules            []string      `json:"rules"`
	IgnoreTxnStartTs []uint64      `json:"ignore_txn_start_ts"`
	EventFilters     []EventFilter `json:"event_filters"`
}

// EventFilter drops kinds of events of the tables that match.
type EventFilter struct {
	Matcher     []string `json:"matcher"`
	IgnoreEvent []string `json:"ignore_event"`
}

// Sink says what goes to Kafka in which form.
type Sink struct {
	Protocol                         string           `json:"protocol"`
	Dispatchers                      []Dispatcher     `json:"dispatchers"`
	ColumnSelectors                  []ColumnSelector `json:"column_selectors"`
	OnlyOutputUpdatedColumns         bool             `json:"only_output_updated_columns"`
	DeleteOnlyOutputHandleKeyColumns bool             `json:"delete_only_output_handle_key_columns"`
	ContentCompatible                bool             `json:"content_compatible"`
	Kafka                            Kafka            `json:"kafka_config"`
}

// Dispatcher routes the rows of the tables that match.
type Dispatcher struct {
	Matcher   []string `json:"matcher"`
	Topic     string   `json:"topic"`
	Partition string   `json:"partition"`
	Index     string   `json:"index"`
	Columns   []string `json:"columns"`
}

// ColumnSelector leaves out columns of the tables that match.
type ColumnSelector struct {
	Matcher []string `json:"matcher"`
	Columns []string `json:"columns"`
}

// Kafka holds what sink_uri may say as well; sink_uri wins.
type Kafka struct {
	PartitionNum         int32  `json:"partition_num"`
	ReplicationFactor    int16  `json:"replication_factor"`
	MaxMessageBytes      int    `json:"max_message_bytes"`
	Compression          string `json:"compression"`
	RequiredAcks         *int   `json:"required_acks"`
	AutoCreateTopic      *bool  `json:"auto_create_topic"`
	ClientID             string `json:"kafka_client_id"`
	OutputRawChangeEvent bool   `json:"output_raw_change_event"`
	Codec                struct {
		EnableTiDBExtension bool `json:"enable_tidb_extension"`
	} `json:"codec_config"`
}

// Duration is a string such as "30m" in a request, nanoseconds in an answer.
type Duration time.Duration

// UnmarshalJSON accepts both forms.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case float64:
		*d = Duration(v)
	case string:
		parsed, err := time.ParseDuration(v)
		if err != nil {
			return err
		}
		*d = Duration(parsed)
	default:
		return fmt.Errorf("invalid duration %s", data)
	}
	return nil
}

// defaults is the configuration that TiCDC v8.5.5 answers with for a request
// that sets nothing.
//
//go:embed defaults.json
var defaults []byte

// parseConfig fills the request's replica_config up with the defaults. It
// returns the whole document for answers, and what is obeyed.
func parseConfig(request json.RawMessage) (map[string]any, *Config, error) {
	var document, changes map[string]any
	if err := json.Unmarshal(defaults, &document); err != nil {
		return nil, nil, fmt.Errorf("default configuration: %w", err)
	}
	if len(request) > 0 {
		if err := json.Unmarshal(request, &changes); err != nil {
			return nil, nil, Errorf(ErrInvalidParam, "replica_config: %v", err)
		}
	}
	if err := refuse("replica_config", changes, document); err != nil {
		return nil, nil, err
	}
	merge(document, changes)
	merged, err := json.Marshal(document)
	if err != nil {
		return nil, nil, fmt.Errorf("encode configuration: %w", err)
	}
	config := &Config{}
	if err := json.Unmarshal(merged, config); err != nil {
		return nil, nil, Errorf(ErrInvalidParam, "replica_config: %v", err)
	}
	return document, config, nil
}

// merge lays changes over document, object by object.
func merge(document, changes map[string]any) {
	for name, value := range changes {
		into, isObject := document[name].(map[string]any)
		from, fromObject := value.(map[string]any)
		switch {
		case value == nil:
		case isObject && fromObject:
			merge(into, from)
		default:
			document[name] = value
		}
	}
}
