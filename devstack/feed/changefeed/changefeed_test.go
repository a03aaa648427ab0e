package changefeed

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

const uri = "kafka://a:1,b:2/topic?protocol=canal-json"

func TestRequestIsCheckedAsTiCDCDoes(t *testing.T) {
	for name, c := range map[string]struct {
		request Request
		code    string
		status  int
	}{
		"underscore in the id":   {Request{ID: "a_b", SinkURI: uri}, ErrInvalidParam, http.StatusBadRequest},
		"id ends with a dash":    {Request{ID: "a-", SinkURI: uri}, ErrInvalidParam, http.StatusBadRequest},
		"long id":                {Request{ID: strings.Repeat("a", 129), SinkURI: uri}, ErrInvalidParam, http.StatusBadRequest},
		"namespace":              {Request{ID: "a", Namespace: "other", SinkURI: uri}, ErrInvalidParam, http.StatusBadRequest},
		"no sink":                {Request{ID: "a"}, ErrSinkURI, http.StatusBadRequest},
		"another sink":           {Request{ID: "a", SinkURI: "mysql://root@h:1/"}, ErrSinkURI, http.StatusBadRequest},
		"no topic":               {Request{ID: "a", SinkURI: "kafka://a:1?protocol=canal-json"}, ErrKafkaConfig, 500},
		"no protocol":            {Request{ID: "a", SinkURI: "kafka://a:1/t"}, ErrKafkaConfig, 500},
		"another protocol":       {Request{ID: "a", SinkURI: "kafka://a:1/t?protocol=avro"}, ErrKafkaConfig, 500},
		"partition-num 0":        {Request{ID: "a", SinkURI: uri + "&partition-num=0"}, ErrKafkaConfig, 500},
		"max-message-bytes text": {Request{ID: "a", SinkURI: uri + "&max-message-bytes=1M"}, ErrKafkaConfig, 500},
		"required-acks 0":        {Request{ID: "a", SinkURI: uri + "&required-acks=0"}, ErrKafkaConfig, 500},
		"compression":            {Request{ID: "a", SinkURI: uri + "&compression=brotli"}, ErrKafkaConfig, 500},
		"sasl":                   {Request{ID: "a", SinkURI: uri + "&sasl-user=u"}, ErrKafkaConfig, 500},
		"tls":                    {Request{ID: "a", SinkURI: uri + "&enable-tls=true"}, ErrKafkaConfig, 500},
		"target before start":    {Request{ID: "a", SinkURI: uri, StartTs: 5, TargetTs: 5}, ErrTargetBeforeStart, http.StatusBadRequest},
		"type of a member":       {Request{ID: "a", SinkURI: uri, Config: []byte(`{"case_sensitive": 1}`)}, ErrInvalidParam, http.StatusBadRequest},
	} {
		_, err := Parse(c.request)
		var coded *Error
		if !errors.As(err, &coded) || coded.Code != c.code || coded.Status() != c.status {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestWhatIsNotImplementedIsRefused(t *testing.T) {
	for _, config := range []string{
		`{"bdr_mode": true}`,
		`{"enable_sync_point": true}`,
		`{"consistent": {"level": "eventual"}}`,
		`{"integrity": {"integrity_check_level": "correctness"}}`,
		`{"filter": {"do_dbs": ["a"]}}`,
		`{"filter": {"event_filters": [{"matcher": ["*.*"], "ignore_sql": ["^drop"]}]}}`,
		`{"filter": {"event_filters": [{"matcher": ["*.*"], "ignore_insert_value_expr": "id > 1"}]}}`,
		`{"sink": {"transaction_atomicity": "table"}}`,
		`{"sink": {"kafka_config": {"large_message_handle": {"large_message_handle_option": "handle-key-only"}}}}`,
		`{"sink": {"kafka_config": {"sasl_user": "u"}}}`,
	} {
		_, err := Parse(Request{ID: "a", SinkURI: uri, Config: []byte(config)})
		if err == nil || !strings.Contains(err.Error(), "does not implement") || !strings.Contains(err.Error(), "replica_config.") {
			t.Errorf("%s: %v", config, err)
		}
	}
	for _, config := range []string{
		`{"bdr_mode": false, "enable_sync_point": false, "consistent": {"level": "none"}, "unknown": {"member": 1}}`,
		`{"filter": {"event_filters": [{"matcher": ["*.*"], "ignore_sql": null, "ignore_delete_value_expr": ""}]}}`,
		`{"mounter": {"worker_num": 3}, "sink": {"encoder_concurrency": 1, "transaction_atomicity": "none"}}`,
	} {
		if _, err := Parse(Request{ID: "a", SinkURI: uri, Config: []byte(config)}); err != nil {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestURIOverridesTheConfig(t *testing.T) {
	config := `{"changefeed_error_stuck_duration": "90s", "sink": {"protocol": "avro", "kafka_config": {"partition_num": 9, "replication_factor": 2,
		"codec_config": {"enable_tidb_extension": false}}}}`
	d, err := Parse(Request{ID: "a", Config: []byte(config),
		SinkURI: uri + "&partition-num=4&enable-tidb-extension=true&content-compatible=true&auto-create-topic=false&compression=lz4"})
	if err != nil {
		t.Fatal(err)
	}
	target, sink := d.Target, d.Config.Sink
	if target.PartitionNum != 4 || target.ReplicationFactor != 2 || target.AutoCreateTopic || target.Compression != "lz4" ||
		target.RequiredAcks != -1 || target.MaxMessageBytes != 10<<20 || len(target.Brokers) != 2 || target.Topic != "topic" {
		t.Errorf("target %+v", target)
	}
	if sink.Protocol != "canal-json" || !sink.ContentCompatible || !sink.Kafka.Codec.EnableTiDBExtension {
		t.Errorf("sink %+v", sink)
	}
	if time.Duration(d.Config.ErrorStuckDuration) != 90*time.Second {
		t.Errorf("duration %v", d.Config.ErrorStuckDuration)
	}
}

func TestDefaultsAreThoseOfTiCDC(t *testing.T) {
	d, err := Parse(Request{ID: "a", SinkURI: uri})
	if err != nil {
		t.Fatal(err)
	}
	c := d.Config
	if c.CaseSensitive || c.Filter.Rules[0] != "*.*" || time.Duration(c.ErrorStuckDuration) != 30*time.Minute || c.Sink.Kafka.OutputRawChangeEvent {
		t.Errorf("config %+v", c)
	}
}

func TestPasswordsAreMasked(t *testing.T) {
	if got := MaskURI("kafka://user:secret@a:1/t?protocol=canal-json"); strings.Contains(got, "secret") {
		t.Error(got)
	}
}
