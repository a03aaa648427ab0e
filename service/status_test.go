package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

type status struct {
	CompleteThrough *time.Time
	LagSeconds      *float64
	DeadLetters     int
	Gaps            []json.RawMessage
	Findings        struct {
		Total  int
		ByKind map[domain.FindingKind]int
	}
	VerifiedThrough *time.Time
	Changefeed      struct {
		State, Error string
		Differences  []string
		CheckpointAt *time.Time
	}
	Today struct {
		From                              time.Time
		Logins, Failures, Lockouts, Users int
	}
}

// eventuallyStatus reads the status until check is content.
func eventuallyStatus(t *testing.T, client *stack.Client, token, query string, check func(status) error) (s status) {
	t.Helper()
	stack.Eventually(t, wait, func() error {
		s = parse[status](t, call(t, client, http.MethodGet, "/api/status"+query, token, http.StatusOK))
		if err := check(s); err != nil {
			return fmt.Errorf("%w: %+v", err, s)
		}
		return nil
	})
	return s
}

func TestTheStatusSumsUpTheTrail(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "alice", domain.RoleUser)
	client, _ := stack.Run(t, config)
	login(t, client, "alice")
	token := login(t, client, "admin")
	login(t, client, "admin")
	if _, err := client.Login(t.Context(), "alice", "wrong"); statusOf(t, err) != http.StatusUnauthorized {
		t.Fatal(err)
	}
	exec(t, config, "UPDATE users SET role = 'admin' WHERE username = 'alice'")
	began := time.Now()
	stack.Produce(t, config, config.EventsTopic, 0, "no message")
	midnight := "?since=" + url.QueryEscape(time.Now().Add(-3*time.Hour).Format(time.RFC3339))
	s := eventuallyStatus(t, client, token, midnight, func(s status) error {
		switch {
		case s.CompleteThrough == nil || s.CompleteThrough.Before(began) || s.VerifiedThrough == nil || s.VerifiedThrough.Before(began):
			return errors.New("not up to now")
		case s.DeadLetters != 1:
			return errors.New("the message that nobody understands is no dead letter")
		case s.Today.Logins != 3 || s.Today.Failures != 1:
			return errors.New("want 3 logins and one that was refused")
		}
		return nil
	})
	if s.Today.Users != 2 || s.Today.Lockouts != 0 || s.Today.From.After(began) {
		t.Errorf("logins are %+v", s.Today)
	}
	if s.Findings.Total != 1 || s.Findings.ByKind[domain.UnattributedChange] != 1 {
		t.Errorf("findings are %+v", s.Findings)
	}
	if s.LagSeconds == nil || *s.LagSeconds < 0 || s.Gaps == nil || len(s.Gaps) != 0 {
		t.Errorf("lag %v, gaps %v", s.LagSeconds, s.Gaps)
	}
	if f := s.Changefeed; f.State != "normal" || f.Error != "" || f.CheckpointAt == nil {
		t.Errorf("changefeed is %+v", f)
	}
	if read := readings(t, config); len(read) != 0 {
		t.Errorf("recorded as a reading: %v", read)
	}
}

func TestTheStatusTellsOfAChangefeedThatIsGoneOrUnknown(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	away := config
	away.TiCDCURL = "http://127.0.0.1:1"
	config.ChangefeedID += "-other"
	for state, client := range map[string]*stack.Client{"missing": stack.Serve(t, config), "unknown": stack.Serve(t, away)} {
		s := parse[status](t, call(t, client, http.MethodGet, "/api/status", login(t, client, "admin"), http.StatusOK))
		if s.Changefeed.State != state || s.Changefeed.Error == "" || s.Changefeed.CheckpointAt != nil {
			t.Errorf("want %s: %+v", state, s.Changefeed)
		}
		if s.CompleteThrough != nil || s.LagSeconds != nil {
			t.Errorf("complete although nothing was read: %+v", s)
		}
	}
}

func TestTheStatusRefusesToSumUpWeeks(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token := login(t, client, "admin")
	for _, since := range []string{"2026-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "yesterday"} {
		answer := call(t, client, http.MethodGet, "/api/status?since="+since, token, http.StatusBadRequest)
		if !strings.Contains(string(answer), "query.since") {
			t.Errorf("%s: %s", since, answer)
		}
	}
}
