package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// forgetful is a receiver that fails from time to time and notes what it was
// told, by id and by event.
type forgetful struct {
	mu     sync.Mutex
	tries  int
	taken  map[string]int // by webhook-id
	events map[string]map[string]bool
	// held requests are not answered before release is closed.
	held    chan struct{}
	release chan struct{}
}

// ServeHTTP implements http.Handler.
func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed
	}
	select {
	case f.held <- struct{}{}:
		<-f.release
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	default:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tries++; f.tries%4 == 0 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	var told struct{ Data struct{ EventID string } }
	if json.Unmarshal(body, &told) == nil {
		id := r.Header.Get("webhook-id")
		f.taken[id]++
		if f.events[told.Data.EventID] == nil {
			f.events[told.Data.EventID] = map[string]bool{}
		}
		f.events[told.Data.EventID][id] = true
	}
}

func TestEachEventIsToldOfUnderOneIdWhateverIsKilled(t *testing.T) {
	t.Parallel()
	const users = 60
	own := stack.NewOwn(t)
	config := own.Config()
	receiver := &forgetful{
		taken: map[string]int{}, events: map[string]map[string]bool{}, held: make(chan struct{}, 3), release: make(chan struct{}),
	}
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	release := sync.OnceFunc(func() { close(receiver.release) })
	t.Cleanup(release)
	config.WebhookURL, config.WebhookAllowPrivate = domain.NewSecret(server.URL), true
	config.WebhookSecrets = domain.NewSecret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	config.NotificationTimeout, config.NotificationRetryFirst = time.Second, 20*time.Millisecond
	config.MaxFailures = 1
	for i := range users {
		stack.AddUser(t, config, fmt.Sprint("user", i), domain.RoleUser)
	}
	api := stack.NewClient(stack.Start(t, config, "serve").Address(t))
	consumers := []*stack.Process{stack.Start(t, config, "consume"), stack.Start(t, config, "consume")}
	notificationsBegin(t, config)
	for i := range users {
		stack.Eventually(t, patience, func() error { // the database may be away
			_, err := api.Login(t.Context(), fmt.Sprint("user", i), "wrong")
			var refused *stack.StatusError
			if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
				return nil
			}
			return fmt.Errorf("a wrong password: %w", err)
		})
		switch i {
		case users / 4:
			<-receiver.held // tries are under way, in one of them
			consumers[0].Kill()
			consumers[0] = stack.Start(t, config, "consume")
		case users / 2:
			consumers[1].Kill()
			consumers[1] = stack.Start(t, config, "consume")
			release()
		case 3 * users / 4:
			own.Ctl("restart", "tidb")
			own.Ctl("restart", "kafka")
		}
	}
	requireToldOnce(t, config, receiver, users)
	for _, consumer := range consumers {
		if err := consumer.Stop(); err != nil {
			t.Error(err)
		}
	}
	readAllAgain(t, config)
	requireToldOnce(t, config, receiver, users)
}

func notificationsBegin(t *testing.T, config service.Config) {
	t.Helper()
	db := stack.DB(t, config)
	stack.Eventually(t, patience, func() error {
		var since uint64
		return db.QueryRowContext(t.Context(), "SELECT since_ts FROM notification_start").Scan(&since)
	})
}

// requireToldOnce waits until everything was sent, and wants one id of each
// event.
func requireToldOnce(t *testing.T, config service.Config, receiver *forgetful, want int) {
	t.Helper()
	db := stack.DB(t, config)
	stack.Eventually(t, patience, func() error {
		var all, sent int
		err := db.QueryRowContext(t.Context(), "SELECT COUNT(*), COUNT(IF(state = 'sent', 1, NULL)) FROM notifications").Scan(&all, &sent)
		if err == nil && (all != want || sent != want) {
			err = fmt.Errorf("%d notifications, of which %d are sent, want %d", all, sent, want)
		}
		return err
	})
	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	again := 0
	for _, count := range receiver.taken {
		again += count - 1
	}
	t.Logf("%d notifications in %d tries, %d taken more than once", len(receiver.taken), receiver.tries, again)
	for event, ids := range receiver.events {
		if len(ids) != 1 {
			t.Errorf("event %s is told of under the ids %v", event, ids)
		}
	}
	if len(receiver.events) != want || len(receiver.taken) != want {
		t.Errorf("%d events were told of in %d notifications, want %d", len(receiver.events), len(receiver.taken), want)
	}
}

// readAllAgain takes the checkpoints away, as if they had never been, and lets
// everything be read once more.
func readAllAgain(t *testing.T, config service.Config) {
	t.Helper()
	db := stack.DB(t, config)
	const read = "SELECT COALESCE(SUM(next_offset), 0) FROM projection_checkpoints WHERE projection = 'notifications'"
	var before, now int64
	if err := db.QueryRowContext(t.Context(), read).Scan(&before); err != nil || before == 0 {
		t.Fatal(before, err)
	}
	if _, err := db.ExecContext(t.Context(), "DELETE FROM projection_checkpoints WHERE projection = 'notifications'"); err != nil {
		t.Fatal(err)
	}
	consumer := stack.Start(t, config, "consume")
	stack.Eventually(t, patience, func() error {
		if err := db.QueryRowContext(t.Context(), read).Scan(&now); err != nil {
			return err
		}
		if now <= before {
			return errors.New("not everything is read again")
		}
		return nil
	})
	if err := consumer.Stop(); err != nil {
		t.Error(err)
	}
}
