package changefeed

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Target is where and how the changefeed writes to Kafka.
type Target struct {
	Brokers           []string
	Topic             string
	PartitionNum      int32 // 0: as many as the topic has, 3 for a new one
	ReplicationFactor int16
	MaxMessageBytes   int
	RequiredAcks      int
	Compression       string
	AutoCreateTopic   bool
	ClientID          string
}

// unsupported lists the parameters of sink_uri that have no implementation.
var unsupported = []string{
	"ca", "cert", "key", "insecure-skip-verify", "schema-registry", "claim-check-storage-uri",
	"large-message-handle-option", "avro-enable-watermark",
}

// parseURI reads sink_uri, whose parameters override those of the config.
func parseURI(text string, config *Config) (*Target, error) {
	if text == "" {
		return nil, Errorf(ErrSinkURI, "sink_uri is empty, cannot create a changefeed without sink_uri")
	}
	uri, err := url.Parse(text)
	if err != nil {
		return nil, Errorf(ErrSinkURI, "sink_uri: %v", err)
	}
	if uri.Scheme != "kafka" {
		return nil, Errorf(ErrSinkURI, "sink_uri: devstack implements the scheme kafka only, not %q", uri.Scheme)
	}
	topic := strings.Trim(uri.Path, "/")
	if topic == "" || uri.Host == "" {
		return nil, Errorf(ErrKafkaConfig, "sink_uri: it needs brokers and a topic: kafka://host:port/topic")
	}
	p := params{query: uri.Query()}
	for name := range p.query {
		if slices.Contains(unsupported, name) || strings.HasPrefix(name, "sasl-") {
			return nil, Errorf(ErrKafkaConfig, "sink_uri: devstack does not implement the parameter %s", name)
		}
	}
	kafka, sink := &config.Sink.Kafka, &config.Sink
	partitions := p.int("partition-num", int(kafka.PartitionNum), 1)
	replicas := p.int("replication-factor", or(int(kafka.ReplicationFactor), 1), 1)
	if (min(partitions, replicas) < 0 || max(partitions, replicas) > math.MaxInt16) && p.err == nil {
		p.err = Errorf(ErrKafkaConfig, "partition-num and replication-factor must be from 0 to %d, not %d and %d", math.MaxInt16, partitions, replicas)
	}
	t := &Target{
		Brokers: strings.Split(uri.Host, ","), Topic: topic,
		PartitionNum:      int32(partitions),
		ReplicationFactor: int16(replicas),
		MaxMessageBytes:   p.int("max-message-bytes", or(kafka.MaxMessageBytes, 10<<20), 1),
		RequiredAcks:      p.int("required-acks", value(kafka.RequiredAcks, -1), -1),
		AutoCreateTopic:   p.bool("auto-create-topic", value(kafka.AutoCreateTopic, true)),
		Compression:       strings.ToLower(p.string("compression", kafka.Compression)),
		ClientID:          p.string("kafka-client-id", kafka.ClientID),
	}
	sink.Protocol = p.string("protocol", sink.Protocol)
	sink.ContentCompatible = p.bool("content-compatible", sink.ContentCompatible)
	sink.OnlyOutputUpdatedColumns = p.bool("only-output-updated-columns", sink.OnlyOutputUpdatedColumns)
	kafka.Codec.EnableTiDBExtension = p.bool("enable-tidb-extension", kafka.Codec.EnableTiDBExtension)
	if p.bool("enable-tls", false) && p.err == nil {
		p.err = Errorf(ErrKafkaConfig, "sink_uri: devstack does not implement the parameter enable-tls")
	}
	if atomicity := p.string("transaction-atomicity", "none"); atomicity != "none" && p.err == nil {
		p.err = Errorf(ErrSinkURI, "sink_uri: transaction-atomicity %q does not fit Kafka", atomicity)
	}
	if p.err != nil {
		return nil, p.err
	}
	return t, t.check(sink.Protocol)
}

func (t *Target) check(protocol string) error {
	if protocol != "canal-json" {
		return Errorf(ErrKafkaConfig, "sink_uri: devstack implements protocol=canal-json only, not %q", protocol)
	}
	if !slices.Contains([]int{-1, 0, 1}, t.RequiredAcks) {
		return Errorf(ErrKafkaConfig, "sink_uri: required-acks must be -1, 0 or 1, not %d", t.RequiredAcks)
	}
	if t.RequiredAcks == 0 {
		return Errorf(ErrKafkaConfig, "sink_uri: devstack does not implement required-acks=0, which loses changes")
	}
	if !slices.Contains([]string{"", "none", "gzip", "snappy", "lz4", "zstd"}, t.Compression) {
		return Errorf(ErrKafkaConfig, "sink_uri: unknown compression %q", t.Compression)
	}
	return nil
}

// params reads query parameters and keeps the first error.
type params struct {
	query url.Values
	err   error
}

func (p *params) string(name, standard string) string {
	if !p.query.Has(name) {
		return standard
	}
	return p.query.Get(name)
}

func (p *params) int(name string, standard, least int) int {
	if !p.query.Has(name) {
		return standard
	}
	n, err := strconv.ParseInt(p.query.Get(name), 10, 31)
	if (err != nil || int(n) < least) && p.err == nil {
		p.err = Errorf(ErrKafkaConfig, "sink_uri: %s must be a number of at least %d, not %q", name, least, p.query.Get(name))
	}
	return int(n)
}

func (p *params) bool(name string, standard bool) bool {
	if !p.query.Has(name) {
		return standard
	}
	b, err := strconv.ParseBool(p.query.Get(name))
	if err != nil && p.err == nil {
		p.err = Errorf(ErrKafkaConfig, "sink_uri: %s must be true or false, not %q", name, p.query.Get(name))
	}
	return b
}

func or(n, standard int) int {
	if n == 0 {
		return standard
	}
	return n
}

func value[T any](p *T, standard T) T {
	if p == nil {
		return standard
	}
	return *p
}

// secretNames are the parts of parameters' names that TiCDC takes for secrets.
var secretNames = []string{
	"password", "passwd", "pwd", "access", "token", "secret", "key", "signature", "credential", "private", "client",
}

// MaskURI hides what is secret in a sink_uri, as TiCDC does in its answers.
func MaskURI(text string) string {
	uri, err := url.Parse(text)
	if err != nil {
		return ""
	}
	query := uri.Query()
	for name := range query {
		if slices.ContainsFunc(secretNames, func(part string) bool { return strings.Contains(strings.ToLower(name), part) }) {
			query.Set(name, "xxxxx")
		}
	}
	uri.RawQuery = query.Encode()
	return uri.Redacted()
}
