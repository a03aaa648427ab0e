package service_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

// forge is a row that somebody with SQL writes where a chain goes on.
const forge = `
	INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, metadata, seq, prev_hash, hash, key_id, occurred_at)
	SELECT UUID(), 'user', '1', 'LOGIN_SUCCESS', '{"userId":1,"username":"admin"}', '{"actor":"user:1"}',
	       event_seq + 1, event_hash, REPEAT('0', 64), 'x', NOW(6) FROM users WHERE id = 1`

func TestAForgedNextEventHoldsNobodyUp(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	exec(t, config, forge)
	login(t, client, "admin")
	login(t, client, "admin")
	requireUnbrokenChains(t, config)
	if got := payloads[struct{ ExpiresAt string }](t, config, domain.LoginSuccess); len(got) != 2 || got[0].ExpiresAt == "" {
		t.Errorf("logins in the outbox are %+v, want the two genuine ones", got)
	}
}

func TestAForgedNextEventOfUnknownNamesHoldsNobodyUp(t *testing.T) {
	config := stack.New(t)
	client := stack.Serve(t, config)
	refused := func() {
		t.Helper()
		if _, err := client.Login(t.Context(), "nobody", "any"); statusOf(t, err) != http.StatusUnauthorized {
			t.Error(err)
		}
	}
	refused()
	exec(t, config, strings.NewReplacer("'user', '1'", "aggregatetype, aggregateid", "FROM users WHERE id = 1", "FROM event_chains").Replace(forge))
	refused()
	requireUnbrokenChains(t, config)
}

func TestAForgedNextEventOfAReaderHoldsNobodyUp(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	call(t, client, http.MethodGet, "/api/audit?userId=1", token, http.StatusOK)
	exec(t, config, strings.NewReplacer("'user', '1'", "aggregatetype, aggregateid", "FROM users WHERE id = 1", "FROM event_chains").Replace(forge))
	call(t, client, http.MethodGet, "/api/audit?userId=2", token, http.StatusOK)
	requireUnbrokenChains(t, config)
}

func TestAHeadThatWasSetBackGoesOnAfterTheLastGenuineEvent(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	for range 3 {
		login(t, client, "admin")
	}
	exec(t, config, "UPDATE users SET event_seq = 1, event_hash = (SELECT hash FROM outbox WHERE aggregatetype = 'user' AND aggregateid = '1' AND seq = 1) WHERE id = 1")
	exec(t, config, strings.Replace(forge, "event_seq + 1", "event_seq + 6", 1)) // a forged one beyond them
	login(t, client, "admin")
	if c := count(t, config); c.UserSeq != 5 {
		t.Errorf("the chain goes on at %d, want 5", c.UserSeq)
	}
	requireUnbrokenChains(t, config)
}

func TestANumberThatCannotGrowIsNamed(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "other", domain.RoleUser)
	process := stack.Start(t, config, "serve")
	client := stack.NewClient(process.Address(t))
	exec(t, config, "UPDATE users SET event_seq = 18446744073709551615 WHERE username = 'other'")
	if _, err := client.Login(t.Context(), "other", "other"); statusOf(t, err) != http.StatusServiceUnavailable {
		t.Errorf("got %v, want 503", err)
	}
	stack.Eventually(t, wait, func() error {
		for line := range strings.Lines(process.Said()) {
			if strings.Contains(line, "request failed") && strings.HasSuffix(line, "\n") {
				if !strings.Contains(line, "user 2") || !strings.Contains(line, domain.ErrChainFull.Error()) {
					t.Errorf("the log does not say what is wrong: %s", line)
				}
				return nil
			}
		}
		return errors.New("the log does not tell of the request")
	})
	login(t, client, "admin")
}
