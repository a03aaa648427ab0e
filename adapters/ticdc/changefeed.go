// Package ticdc creates and watches the changefeed through TiCDC's open API
// v2: https://docs.pingcap.com/tidb/stable/ticdc-open-api-v2
package ticdc

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/template"

	"helfy/domain"
)

// Changefeed is what the service needs to be fed.
type Changefeed struct {
	ID       string
	Database string
	// ChangesTopic gets the changes of users, EventsTopic the outbox.
	ChangesTopic string
	EventsTopic  string
	Partitions   int
	Replication  int
	// Brokers are Kafka's addresses as TiCDC sees them.
	Brokers []string
	// TLS says that TiCDC is to connect to them by TLS. The files are as it
	// sees them: the authorities that may have signed the brokers'
	// certificates, and TiCDC's own certificate with its key; all may be empty.
	TLS                    bool
	TLSCA, TLSCert, TLSKey string
	// SASL is the mechanism by which TiCDC signs in there, empty for none.
	SASL         string
	SASLUsername string
	SASLPassword domain.Secret
}

// maxMessageBytes is a Kafka broker's default limit less some room for the
// record's frame.
const maxMessageBytes = 1_048_576 - 512

// SinkURI is where TiCDC sends the messages. It may have a password in it, so
// that it is not for showing. The parameters:
// https://docs.pingcap.com/tidb/v8.5/ticdc-sink-to-kafka
func (c Changefeed) SinkURI() string {
	// TiCDC reads the TiDB extension from here in some versions and from the
	// sink's settings in others, so it stands in both.
	options := url.Values{
		"protocol":              {"canal-json"},
		"enable-tidb-extension": {"true"},
		"partition-num":         {strconv.Itoa(c.Partitions)},
		"replication-factor":    {strconv.Itoa(c.Replication)},
		"max-message-bytes":     {strconv.Itoa(maxMessageBytes)},
		"required-acks":         {"-1"},
		"auto-create-topic":     {"false"},
	}
	if c.TLS {
		options.Set("enable-tls", "true")
	}
	for name, value := range map[string]string{
		"ca": c.TLSCA, "cert": c.TLSCert, "key": c.TLSKey,
		"sasl-mechanism": c.SASL, "sasl-user": c.SASLUsername, "sasl-password": c.SASLPassword.Reveal(),
	} {
		if value != "" {
			options.Set(name, value)
		}
	}
	return "kafka://" + strings.Join(c.Brokers, ",") + "/" + c.ChangesTopic + "?" + options.Encode()
}

//go:embed changefeed.json.tmpl
var definition string

var definitionTemplate = template.Must(template.New("changefeed").Funcs(template.FuncMap{
	"json": func(value string) (string, error) {
		text, err := json.Marshal(value)
		return string(text), err
	},
}).Parse(definition))

// request is the body of the calls that create and update a changefeed.
type request struct {
	ID      string         `json:"changefeed_id,omitempty"`
	SinkURI string         `json:"sink_uri"`
	StartTs uint64         `json:"start_ts,omitempty"`
	Config  map[string]any `json:"replica_config"`
}

// request fills the definition.
func (c Changefeed) request() (request, error) {
	var text bytes.Buffer
	var filled request
	if err := definitionTemplate.Execute(&text, c); err != nil {
		return filled, fmt.Errorf("fill changefeed definition: %w", err)
	}
	if err := json.Unmarshal(text.Bytes(), &filled); err != nil {
		return filled, fmt.Errorf("read changefeed definition: %w", err)
	}
	return filled, nil
}
