package service_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/app/projection"
	"helfy/canaljson"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// aliceFrom signs alice in from an address with a user agent.
func aliceFrom(t *testing.T, client *stack.Client, ip, userAgent string) {
	t.Helper()
	response, text := send(t, client, http.MethodPost, "/api/login", `{"username":"alice","password":"alice"}`,
		map[string]string{"X-Forwarded-For": ip, "User-Agent": userAgent})
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", response.StatusCode, text)
	}
}

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
	updated = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	phone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)

func TestALoginFromANewPlaceIsToldOf(t *testing.T) {
	config := stack.New(t)
	receiver := receive(t, &config)
	id := stack.AddUser(t, config, "alice", domain.RoleUser)
	client, _ := stack.Run(t, config)
	begun(t, config)
	for _, from := range []struct{ ip, userAgent string }{
		{"192.0.2.1", firefox},     // the first
		{"192.0.2.77", updated},    // the same place
		{"198.51.100.7", firefox},  // a network
		{"192.0.2.1", phone},       // a device
		{"203.0.113.9", "curl/8"},  // both
		{"203.0.113.9", "curl/9"},  // known since
		{"198.51.100.9", "curl/9"}, // known, but not together
	} {
		aliceFrom(t, client, from.ip, from.userAgent)
	}
	aliceFrom(t, client, "2001:db8:1:2::3", firefox) // the last one is told of
	got := receiver.eventually(4)
	slices.SortFunc(got, func(a, b told) int { return strings.Compare(a.Data.IP+a.Data.Device, b.Data.IP+b.Data.Device) })
	var said []string
	for _, one := range got {
		if one.Type != "user.login.new_place" || one.Data.UserID != int64(id) || one.Data.Username != "alice" || one.Data.EventID == "" {
			t.Errorf("got %+v", one)
		}
		said = append(said, fmt.Sprint(one.Data.IP, " ", one.Data.Network, " ", one.Data.Device, " ", one.Data.New))
	}
	want := []string{
		"192.0.2.1 192.0.2.0/24 Safari on iPhone [device]",
		"198.51.100.7 198.51.100.0/24 Firefox on Linux [network]",
		"2001:db8:1:2::3 2001:db8:1::/48 Firefox on Linux [network]",
		"203.0.113.9 203.0.113.0/24 curl [network device]",
	}
	if !slices.Equal(said, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
}

func TestALockIsToldOf(t *testing.T) {
	config := stack.New(t)
	config.MaxFailures = 3
	receiver := receive(t, &config)
	stack.AddUser(t, config, "bob", domain.RoleUser)
	client, _ := stack.Run(t, config)
	begun(t, config)
	for range 3 {
		if _, err := client.Login(t.Context(), "bob", "wrong"); statusOf(t, err) != http.StatusUnauthorized {
			t.Fatal(err)
		}
	}
	got := receiver.eventually(1)[0]
	if got.Type != "user.locked" || got.Data.Username != "bob" || got.Data.Failures != 3 || !got.Data.Until.After(time.Now()) {
		t.Errorf("got %+v", got)
	}
}

func TestEachFindingIsToldOfOnceAlsoAfterARebuild(t *testing.T) {
	config := stack.New(t)
	receiver := receive(t, &config)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.Run(t, config)
	begun(t, config)
	shell(t, config, "UPDATE users SET role = 'user' WHERE username = 'admin'", "UPDATE users SET role = 'admin' WHERE username = 'admin'")
	found := stack.VerifiedFindings(t, config)
	got := receiver.eventually(2)
	var want, said []string
	for _, f := range found {
		want = append(want, fmt.Sprint(f.Kind, f.CommitTs, f.Username))
	}
	for _, one := range got {
		said = append(said, one.Data.Kind+one.Data.CommitTs+one.Data.Username)
	}
	slices.Sort(want)
	slices.Sort(said)
	if !slices.Equal(said, want) || len(want) != 2 {
		t.Errorf("told %v, want %v", said, want)
	}
	if _, err := rebuild(t, config, projection.RebuildOptions{}); err != nil {
		t.Fatal(err)
	}
	shell(t, config, "UPDATE users SET status = 'disabled' WHERE username = 'admin'")
	if got := receiver.eventually(3); len(got) != 3 || got[2].Data.Kind != string(domain.UnattributedChange) {
		t.Errorf("told %+v", got)
	}
}

func TestWhatHappenedBeforeIsNotToldOfButLearnedFrom(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	client, stop := stack.Run(t, config)
	aliceFrom(t, client, "192.0.2.1", firefox)
	aliceFrom(t, client, "198.51.100.1", phone)
	shell(t, config, "UPDATE users SET role = 'admin' WHERE username = 'alice'")
	if found := stack.VerifiedFindings(t, config); len(found) != 1 {
		t.Fatalf("findings are %+v", found)
	}
	if count := scalar[int](t, config, "SELECT COUNT(*) FROM projection_checkpoints WHERE projection = 'notifications'"); count != 0 {
		t.Errorf("notifications are off, and have %d checkpoints", count)
	}
	stop()
	receiver := receive(t, &config)
	client, stop = stack.Run(t, config)
	begun(t, config)
	aliceFrom(t, client, "198.51.100.1", firefox) // both are known from before
	aliceFrom(t, client, "203.0.113.1", firefox)
	receiver.eventually(1)
	// While nobody reads, nothing is missed.
	stop()
	stopped := config
	stopped.WebhookURL = domain.NewSecret("")
	client, stop = stack.Run(t, stopped)
	aliceFrom(t, client, "203.0.113.1", "curl/8")
	stop()
	stack.Run(t, config)
	got := receiver.eventually(2)
	if len(got) != 2 || got[0].Data.IP != "203.0.113.1" || got[1].Data.Device != "curl" {
		t.Errorf("told %+v", got)
	}
}

func TestALongHistoryIsLearnedFromByOneOfTwoProcesses(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	client, stop := stack.Run(t, config)
	aliceFrom(t, client, "192.0.2.1", firefox)
	aliceFrom(t, client, "198.51.100.1", phone)
	stop()
	idle(t, config, 30_000)
	receiver := receive(t, &config)
	client, _ = stack.Run(t, config)
	stack.Run(t, config)
	begun(t, config)
	aliceFrom(t, client, "198.51.100.1", firefox) // both are known from before
	aliceFrom(t, client, "203.0.113.1", firefox)
	receiver.eventually(1)
	aliceFrom(t, client, "203.0.113.1", "curl/8")
	got := receiver.eventually(2)
	if len(got) != 2 || got[0].Data.IP != "203.0.113.1" || got[1].Data.Device != "curl" {
		t.Errorf("told %+v", got)
	}
	if count := scalar[int](t, config, "SELECT COUNT(*) FROM notification_places"); count != 3+3 {
		t.Errorf("%d places are known, want 6", count)
	}
}

// idle writes as many watermarks as a long time has, all of the past.
func idle(t *testing.T, config service.Config, count int) {
	t.Helper()
	value, err := canaljson.Encode(&canaljson.Watermark{Ts: 1})
	if err != nil {
		t.Fatal(err)
	}
	kafka := sarama.NewConfig()
	kafka.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer(config.KafkaBrokers, kafka)
	if err != nil {
		t.Fatal(err)
	}
	var messages []*sarama.ProducerMessage
	for range count {
		messages = append(messages, &sarama.ProducerMessage{Topic: config.EventsTopic, Value: sarama.ByteEncoder(value)})
	}
	if err := errors.Join(producer.SendMessages(messages), producer.Close()); err != nil {
		t.Fatal(err)
	}
}

// begun waits until notifications have begun.
func begun(t *testing.T, config service.Config) {
	t.Helper()
	stack.Eventually(t, wait, func() error {
		if scalar[int](t, config, "SELECT COUNT(*) FROM notification_start") == 0 {
			return fmt.Errorf("notifications have not begun")
		}
		return nil
	})
}

func TestAUserWhoIsDeletedIsForgotten(t *testing.T) {
	config := stack.New(t)
	receive(t, &config)
	id := stack.AddUser(t, config, "alice", domain.RoleUser)
	client, _ := stack.Run(t, config)
	aliceFrom(t, client, "192.0.2.1", firefox)
	places := func(want int) {
		t.Helper()
		stack.Eventually(t, wait, func() error {
			if got := scalar[int](t, config, "SELECT COUNT(*) FROM notification_places WHERE user_id = "+id.String()); got != want {
				return fmt.Errorf("%d places are known, want %d", got, want)
			}
			return nil
		})
	}
	places(2)
	if err := config.DeleteUser(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	places(0)
}

func TestMetricsTellOfNotifications(t *testing.T) {
	config := stack.New(t)
	receiver := receive(t, &config)
	config.MetricsAddress = metricsAddress(t)
	receiver.answer = func(int) int { return http.StatusGone }
	lock(t, config)("dead", 1)
	metrics := readMetrics(t, config)
	for _, want := range []string{
		`helfy_notifications{channel="webhook",state="dead"} 1`,
		`helfy_notifications{channel="webhook",state="pending"} 0`,
		`helfy_notification_tries_total{channel="webhook",state="dead"} 1`,
		`helfy_notification_tries_total{channel="webhook",state="sent"} 0`,
	} {
		requireMetric(t, metrics, want)
	}
}
