package service_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/mailserver"
	"helfy/internal/stack"
	"helfy/service"
)

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
