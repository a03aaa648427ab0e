package service_test

import (
	"slices"
	"strings"
	"testing"

	"helfy/service"
)

func TestAllFaultsOfAConfigurationAreReportedAtOnce(t *testing.T) {
	var environ []string
	for variable, value := range map[string]string{
		"PORT": "99999", "METRICS_ADDRESS": "localhost", "TIDB_PORT": "none", "TIDB_SSL": "perhaps", "KAFKA_BROKERS": "localhost", "TICDC_URL": "ftp://x",
		"SESSION_TTL": "-1s", "SHUTDOWN_GRACE": "-1s", "LOGIN_HASH_CONCURRENCY": "0",
		"LOGIN_HASH_MEMORY_KIB": "7", "LOGIN_MAX_FAILURES": "-1", "LOGIN_FAILURE_WINDOW": "0s", "LOGIN_LOCK_TIME": "0s", "LOGIN_LOCK_MAX": "25h",
		"LOGIN_RATE_PER_IP": "-1", "LOGIN_RATE_PER_NAME": "x", "LOGIN_FLOOD_THRESHOLD": "-1", "TRUSTED_PROXIES": "10.0.0.1", "LOG_LEVEL": "loud",
		"WEBHOOK_URL": "http://example.com", "SMTP_ADDRESS": "localhost", "NOTIFICATION_TIMEOUT": "2m", "NOTIFICATION_TRIES": "0",
		"NOTIFICATION_RETRY_FIRST": "2h", "NOTIFICATION_RETRY_FOR": "0s", "NOTIFICATION_MAX_AGE": "721h",
		"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4317", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
	} {
		environ = append(environ, variable+"="+value)
	}
	_, err := service.ReadConfig(environ, true)
	if err == nil {
		t.Fatal("want an error")
	}
	var named []string
	for line := range strings.Lines(err.Error()) {
		variable, _, _ := strings.Cut(line, ":")
		named = append(named, variable)
	}
	slices.Sort(named)
	want := []string{
		"HELFY_KEY_FILE", "KAFKA_BROKERS", "LOGIN_FAILURE_WINDOW", "LOGIN_FLOOD_THRESHOLD",
		"LOGIN_HASH_CONCURRENCY", "LOGIN_HASH_MEMORY_KIB", "LOGIN_LOCK_MAX", "LOGIN_LOCK_TIME", "LOGIN_MAX_FAILURES", "LOGIN_RATE_PER_IP", "LOGIN_RATE_PER_NAME", "LOG_LEVEL", "METRICS_ADDRESS",
		"NOTIFICATION_MAX_AGE", "NOTIFICATION_RETRY_FIRST", "NOTIFICATION_RETRY_FOR", "NOTIFICATION_TIMEOUT", "NOTIFICATION_TRIES",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER", "PORT", "SESSION_TTL", "SHUTDOWN_GRACE", "SMTP_ADDRESS",
		"TICDC_URL", "TIDB_PORT", "TIDB_SSL", "TRUSTED_PROXIES", "WEBHOOK_URL",
	}
	if !slices.Equal(named, want) {
		t.Errorf("got faults of %v, want %v:\n%v", named, want, err)
	}
}

func TestTheChangefeedSeesTheSameBrokersUnlessToldOtherwise(t *testing.T) {
	environ := []string{"KAFKA_BROKERS=a:1,b:2"}
	config, err := service.ReadConfig(environ, false)
	if err != nil || !slices.Equal(config.ChangefeedBrokers, []string{"a:1", "b:2"}) {
		t.Errorf("got %v, %v", config.ChangefeedBrokers, err)
	}
	config, err = service.ReadConfig(append(environ, "CHANGEFEED_KAFKA_BROKERS=kafka:19092"), false)
	if err != nil || !slices.Equal(config.ChangefeedBrokers, []string{"kafka:19092"}) {
		t.Errorf("got %v, %v", config.ChangefeedBrokers, err)
	}
}
