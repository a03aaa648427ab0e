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
}

// maxMessageBytes is a Kafka broker's default limit less some room for the
// record's frame.
const maxMessageBytes = 1_048_576 - 512

// SinkURI is where TiCDC sends the messages.
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

// createRequest fills the definition: the body of the request that creates
// the changefeed.
func (c Changefeed) createRequest() ([]byte, error) {
	var body bytes.Buffer
	if err := definitionTemplate.Execute(&body, c); err != nil {
		return nil, fmt.Errorf("fill changefeed definition: %w", err)
	}
	return body.Bytes(), nil
}
