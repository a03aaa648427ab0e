package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// metric is a family and some labels, with the value that they must come to.
type metric struct {
	family string
	labels map[string]string
	want   float64
}

// requireMetrics waits until a process tells the values.
func requireMetrics(t *testing.T, config service.Config, wants ...metric) {
	t.Helper()
	stack.Eventually(t, 30*time.Second, func() error {
		metrics, _, err := stack.ReadMetrics(t, config)
		if err != nil {
			return err
		}
		for _, want := range wants {
			got, err := metrics.Sum(want.family, want.labels)
			if err != nil {
				return err
			}
			if got != want.want {
				return fmt.Errorf("%s%v is %v, want %v", want.family, want.labels, got, want.want)
			}
		}
		return nil
	})
}

func TestProcessesTellWhatBecameOfLoginsAndOfTheirRecords(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	api, consumer := stack.ServeMetrics(t, config), stack.ServeMetrics(t, config)
	client := stack.NewClient(stack.Start(t, api, "serve").Address(t))
	stack.Start(t, consumer, "consume")
	for range 3 {
		if _, err := client.Login(t.Context(), "admin", "admin"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"admin", "nobody"} {
		if _, err := client.Login(t.Context(), name, "wrong"); err == nil {
			t.Fatal("a wrong password is right")
		}
	}
	of := func(name, value string) map[string]string { return map[string]string{name: value} }
	requireMetrics(t, api,
		metric{"helfy_logins_total", of("outcome", "success"), 3},
		metric{"helfy_logins_total", of("outcome", "wrong"), 1},
		metric{"helfy_logins_total", of("outcome", "unknown"), 1},
		metric{"helfy_http_requests_total", map[string]string{"route": "/api/login", "status": "200"}, 3},
		metric{"helfy_login_hash_duration_seconds", nil, 5},
		metric{"helfy_login_hash_refused_total", nil, 0},
		metric{"helfy_login_hash_queue", nil, 0},
		metric{"helfy_login_hash_running", nil, 0},
		metric{"helfy_login_hash_limit", nil, float64(config.HashConcurrency)},
		metric{"helfy_transaction_duration_seconds", of("command", "log_in"), 3},
		metric{"helfy_transaction_duration_seconds", of("command", "refuse"), 1},
		metric{"helfy_transaction_duration_seconds", of("command", "refuse_unknown"), 1},
		metric{"helfy_transaction_duration_seconds", of("command", "count_tries"), 5},
		metric{"helfy_stream_viewers", nil, 0},
	)

	// Six events: the user's making, three logins, two refusals. The last of
	// these is of nobody's row, so that there are five changes.
	const events, changes = 6, 5
	flow := func(audit, logins float64) (wants []metric) {
		for _, step := range []string{"commit_to_kafka", "kafka_to_projected", "commit_to_projected"} {
			wants = append(wants,
				metric{"helfy_lag_seconds", map[string]string{"projection": "audit", "step": step}, audit},
				metric{"helfy_lag_seconds", map[string]string{"projection": "logins", "step": step}, logins})
		}
		return wants
	}
	requireMetrics(t, consumer, flow(events+changes, events)...)
	still := []metric{
		{"helfy_projection_dead_letters", nil, 0}, {"helfy_audit_findings", nil, 0}, {"helfy_consumer_stalled", nil, 0},
	}
	for partition := range config.KafkaPartitions {
		for _, topic := range []string{config.ChangesTopic, config.EventsTopic} {
			still = append(still, metric{"helfy_consumer_lag_messages", map[string]string{
				"projection": "audit", "topic": topic, "partition": strconv.Itoa(partition),
			}, 0})
		}
	}
	requireMetrics(t, consumer, still...)
	requireSuccess(t, consumer, "audit")
	requireSuccess(t, consumer, "logins")

	// A rebuild and repeats are no delays.
	if _, err := config.Rebuild(t.Context(), projection.AuditName, projection.RebuildOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	requireMetrics(t, consumer, append(flow(events+changes, events),
		metric{"helfy_rebuild_state", of("state", "switched"), 1}, metric{"helfy_rebuild_state", nil, 1},
		metric{"helfy_rebuild_progress_ratio", nil, 1})...)
}

// requireSuccess checks that not every flush of a projection is counted as
// failed, nor every record as a repeat. On a busy machine a few of them may be.
func requireSuccess(t *testing.T, config service.Config, name string) {
	t.Helper()
	metrics, _, err := stack.ReadMetrics(t, config)
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"projection": name}
	records, flushes, err := metrics.Observed("helfy_flush_records", labels)
	if err != nil {
		t.Fatal(err)
	}
	for family, below := range map[string]float64{"helfy_flush_failures_total": flushes, "helfy_consumer_repeats_total": records} {
		if got, err := metrics.Sum(family, labels); err != nil || got >= below {
			t.Errorf("%s%v is %v, %v, want less than %v", family, labels, got, err, below)
		}
	}
}

// rewind makes consumers of the audit log read a topic from its beginning. None
// may run.
func rewind(t *testing.T, config service.Config, topic string) {
	t.Helper()
	partitions, err := config.Kafka().Partitions(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Kafka().Commit(t.Context(), config.ConsumerGroup+"."+topic, partitions, make([]int64, len(partitions))); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsThatComeAgainAreCountedAsRepeatsAndAreNoDelay(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	first := stack.ServeMetrics(t, config)
	process := stack.Start(t, first, "consume")
	labels := map[string]string{"projection": "audit", "step": "commit_to_projected"}
	requireMetrics(t, first, metric{"helfy_lag_seconds", labels, 2})
	if err := process.Stop(); err != nil {
		t.Fatal(err)
	}
	rewind(t, config, config.EventsTopic)
	second := stack.ServeMetrics(t, config)
	stack.Start(t, second, "consume")
	stack.Eventually(t, 30*time.Second, func() error {
		metrics, _, err := stack.ReadMetrics(t, second)
		if err != nil {
			return err
		}
		repeats, err := metrics.Sum("helfy_consumer_repeats_total", map[string]string{"projection": "audit"})
		if err == nil && repeats == 0 {
			err = fmt.Errorf("no repeats yet")
		}
		return err
	})
	requireMetrics(t, second, metric{"helfy_lag_seconds", labels, 0})
}

func TestTheStateOfTheChangefeedIsAMetric(t *testing.T) {
	config := stack.ServeMetrics(t, stack.New(t))
	stack.Start(t, config, "consume")
	requireState := func(state string) {
		t.Helper()
		requireMetrics(t, config,
			metric{"helfy_changefeed_state", map[string]string{"state": state}, 1}, metric{"helfy_changefeed_state", nil, 1})
	}
	requireState("normal")
	stack.Eventually(t, 30*time.Second, func() error {
		metrics, _, err := stack.ReadMetrics(t, config)
		if err != nil {
			return err
		}
		lag, err := metrics.Sum("helfy_changefeed_checkpoint_lag_seconds", nil)
		if err == nil && (lag <= 0 || lag > 30) {
			err = fmt.Errorf("the changefeed is %v s behind", lag)
		}
		return err
	})
	if err := config.PauseChangefeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireState("stopped")
	stack.RemoveChangefeed(t.Context(), t, config)
	requireState("removed")
}

func TestALoginThatFindsNoPlaceForItsHashIsCounted(t *testing.T) {
	config := stack.ServeMetrics(t, stack.New(t))
	config.HashConcurrency, config.HashMemoryKiB, config.HashTime = 1, 1<<18, 8 // a second or so
	client := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	first := make(chan error, 1)
	go func() { _, err := client.Login(t.Context(), "nobody", "any"); first <- err }()
	requireMetrics(t, config, metric{"helfy_login_hash_queue", nil, 1})
	answer, _, err := client.Do(t.Context(), http.MethodPost, "/api/login", "", `{"username":"nobody","password":"any"}`)
	if err != nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %v, %v", answer, err)
	}
	requireMetrics(t, config, metric{"helfy_login_hash_refused_total", nil, 1}, metric{"helfy_logins_total", map[string]string{"outcome": "busy"}, 1})
	if err := <-first; err == nil {
		t.Error("nobody has logged in")
	}
}
