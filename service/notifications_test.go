package service_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"helfy/app/projection"
	"helfy/canaljson"
	"helfy/domain"
	"helfy/internal/mailserver"
	"helfy/internal/stack"
	"helfy/service"
)

const webhookKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// told is a notification that a receiver got.
type told struct {
	id   string // of the header
	Type string
	ID   string
	Data struct {
		EventID, Username, IP, Network, Device, Kind, CommitTs, LockedNetwork string
		UserID                                                                int64
		New                                                                   []string
		Failures                                                              int
		Until                                                                 time.Time
	}
}

// receiver is an HTTP server that is told of things.
type receiver struct {
	t      *testing.T
	URL    string
	mu     sync.Mutex
	got    []told
	answer func(got int) int // status of the answer to that request
}

// receive configures notifications to a receiver.
func receive(t *testing.T, config *service.Config) *receiver {
	t.Helper()
	r := &receiver{t: t, answer: func(int) int { return http.StatusNoContent }}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL + "/hook"
	config.WebhookURL = domain.NewSecret(r.URL)
	config.WebhookSecrets = domain.NewSecret("whsec_" + webhookKey)
	config.WebhookAllowPrivate = true
	config.NotificationRetryFirst = 10 * time.Millisecond
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.requireSigned(request.Header, body)
	one := told{id: request.Header.Get("webhook-id")}
	if err := json.Unmarshal(body, &one); err != nil || one.ID != one.id {
		r.t.Errorf("%s: %s, %v", one.id, body, err)
	}
	r.mu.Lock()
	r.got = append(r.got, one)
	status := r.answer(len(r.got))
	r.mu.Unlock()
	w.WriteHeader(status)
}

func (r *receiver) requireSigned(header http.Header, body []byte) {
	key, err := base64.StdEncoding.DecodeString(webhookKey)
	if err != nil {
		r.t.Error(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(header.Get("webhook-id") + "." + header.Get("webhook-timestamp") + "." + string(body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); header.Get("webhook-signature") != want {
		r.t.Errorf("signature is %q, want %q", header.Get("webhook-signature"), want)
	}
}

func (r *receiver) all() []told {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// eventually waits until so many requests have come and returns them.
func (r *receiver) eventually(want int) []told {
	r.t.Helper()
	stack.Eventually(r.t, wait, func() error {
		if got := r.all(); len(got) < want {
			return fmt.Errorf("%d notifications came, want %d: %+v", len(got), want, got)
		}
		return nil
	})
	return r.all()
}

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

// scalar returns the only value of a query.
func scalar[T any](t *testing.T, config service.Config, query string) (value T) {
	t.Helper()
	if err := stack.DB(t, config).QueryRowContext(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func TestAReceiverThatFailsIsTriedAgain(t *testing.T) {
	config := stack.New(t)
	receiver := receive(t, &config)
	receiver.answer = func(got int) int { return []int{500, 503, 429, 204}[min(got, 4)-1] }
	moved := lock(t, config)
	got := receiver.eventually(4)
	for _, one := range got {
		if one.id != got[0].id {
			t.Errorf("the try has the id %s, the first one %s", one.id, got[0].id)
		}
	}
	moved("sent", 4)
}

func TestANotificationIsGivenUpAfterTheLastTryAndCanBeSentByHand(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ status, tries int }{
		"an error":  {500, 7},
		"a refusal": {400, 5},
	} {
		t.Run(name, func(t *testing.T) {
			config := stack.New(t)
			receiver := receive(t, &config)
			config.NotificationTries = 7
			config.NotificationRetryFirst = time.Millisecond
			receiver.answer = func(got int) int {
				if got > test.tries {
					return http.StatusNoContent
				}
				return test.status
			}
			moved := lock(t, config)
			moved("dead", test.tries)
			all, err := config.Notifications(t.Context(), "dead", 10)
			if err != nil || len(all) != 1 || !strings.Contains(all[0].Reason, fmt.Sprint(test.status)) {
				t.Fatalf("got %+v, %v", all, err)
			}
			if count, err := config.RetryNotifications(t.Context(), all[0].ID); count != 1 || err != nil {
				t.Fatalf("%d notifications are tried again, %v", count, err)
			}
			moved("sent", 1)
			if got := receiver.all(); len(got) != test.tries+1 {
				t.Errorf("%d tries, want %d", len(got), test.tries+1)
			}
		})
	}
}

// lock makes a notification by locking somebody. What it returns waits until
// that is in a state after so many tries.
func lock(t *testing.T, config service.Config) (moved func(state string, tries int)) {
	t.Helper()
	config.MaxFailures = 1
	stack.AddUser(t, config, "bob", domain.RoleUser)
	client, _ := stack.Run(t, config)
	begun(t, config)
	if _, err := client.Login(t.Context(), "bob", "wrong"); statusOf(t, err) != http.StatusUnauthorized {
		t.Fatal(err)
	}
	return func(state string, tries int) {
		t.Helper()
		stack.Eventually(t, wait, func() error {
			all, err := config.Notifications(t.Context(), "", 10)
			if err == nil && (len(all) != 1 || string(all[0].State) != state || all[0].Tries != tries) {
				err = fmt.Errorf("notifications are %+v, want one %s after %d tries", all, state, tries)
			}
			return err
		})
	}
}

func TestALockIsToldOfByMailToo(t *testing.T) {
	config := stack.New(t)
	receiver := receive(t, &config)
	server := mailserver.Serve(t, mailserver.None)
	config.SMTPAddress, config.SMTPTLS = server.Address, "none"
	config.MailFrom, config.MailTo = "helfy@example.com", []string{"ops@example.com", "boss@example.com"}
	config.MaxFailures = 1
	stack.AddUser(t, config, "bob", domain.RoleUser)
	client, _ := stack.Run(t, config)
	begun(t, config)
	if _, err := client.Login(t.Context(), "bob", "wrong"); statusOf(t, err) != http.StatusUnauthorized {
		t.Fatal(err)
	}
	stack.Eventually(t, wait, func() error {
		if got := server.Got(); len(got.Mails) == 0 {
			return fmt.Errorf("no mail came")
		}
		return nil
	})
	got := server.Got()
	if len(got.Mails) != 1 || !slices.Equal(got.To, config.MailTo) || !strings.Contains(got.Mails[0], "Subject: Helfy: bob is locked") {
		t.Errorf("got %q for %v", got.Mails, got.To)
	}
	if got := receiver.eventually(1)[0]; strings.Contains(server.Got().Mails[0], got.id) {
		t.Error("both channels use one id")
	}
}

func TestAnAddressThatIsNotPublicIsNotCalled(t *testing.T) {
	config := stack.New(t)
	receiver := receive(t, &config)
	config.WebhookURL = domain.NewSecret(strings.Replace(strings.Replace(receiver.URL, "http:", "https:", 1), "127.0.0.1", "localhost", 1))
	config.WebhookAllowPrivate = false
	config.NotificationRetryFirst = time.Millisecond
	lock(t, config)("dead", 5)
	if got := receiver.all(); len(got) != 0 {
		t.Errorf("told %+v", got)
	}
}

func TestASlowReceiverHoldsTheConsumerNotUp(t *testing.T) {
	config := stack.New(t)
	receiver := receive(t, &config)
	config.MaxFailures = 1
	config.NotificationTimeout = 30 * time.Second
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		receiver.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let)
	config.WebhookURL = domain.NewSecret(slow.URL)
	const users = 20
	for i := range users {
		stack.AddUser(t, config, fmt.Sprint("user", i), domain.RoleUser)
	}
	client, _ := stack.Run(t, config)
	begun(t, config)
	for i := range users {
		if _, err := client.Login(t.Context(), fmt.Sprint("user", i), "wrong"); statusOf(t, err) != http.StatusUnauthorized {
			t.Fatal(err)
		}
	}
	// All are in the queue, though only a few can be under way.
	stack.Eventually(t, wait, func() error {
		if count := scalar[int](t, config, "SELECT COUNT(*) FROM notifications WHERE state = 'pending'"); count != users {
			return fmt.Errorf("%d notifications are pending, want %d", count, users)
		}
		return nil
	})
	if claimed := scalar[int](t, config, "SELECT COUNT(*) FROM notifications WHERE claim IS NOT NULL"); claimed > 8 {
		t.Errorf("%d notifications are under way", claimed)
	}
	let()
	receiver.eventually(users)
}

func TestWhatIsTooOldIsNotSentUnlessAskedFor(t *testing.T) {
	config := stack.New(t)
	receiver := receive(t, &config)
	config.NotificationMaxAge = time.Nanosecond
	moved := lock(t, config)
	moved("expired", 0)
	if count, err := config.RetryNotifications(t.Context(), ""); count != 0 || err != nil {
		t.Fatalf("%d notifications are tried again, %v", count, err)
	}
	all, err := config.Notifications(t.Context(), "expired", 10)
	if err != nil || len(all) != 1 {
		t.Fatalf("got %+v, %v", all, err)
	}
	if count, err := config.RetryNotifications(t.Context(), all[0].ID); count != 1 || err != nil {
		t.Fatalf("%d notifications are tried again, %v", count, err)
	}
	moved("sent", 1)
	receiver.eventually(1)
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
