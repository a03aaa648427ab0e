package service_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"helfy/app/command"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// limitedStep is a login with the password admin, and how it is answered.
type limitedStep struct {
	name, ip string
	want     int
}

// requireLimits makes logins at one moment, so that no place becomes free.
func requireLimits(t *testing.T, config service.Config, steps []limitedStep) {
	t.Helper()
	logins, _ := newLogins(t, config, &clock{stopped: time.Now()})
	for i, step := range steps {
		_, err := logins.Handle(t.Context(), command.Login{
			Username: step.name, Password: domain.NewSecret("admin"), Origin: domain.Origin{IP: step.ip},
		})
		got := http.StatusOK
		var limited *command.RateLimitedError
		switch {
		case errors.As(err, &limited):
			got = http.StatusTooManyRequests
			if limited.RetryAfter <= 0 || limited.RetryAfter > time.Minute {
				t.Errorf("step %d: the next one may come in %s", i, limited.RetryAfter)
			}
		case errors.Is(err, command.ErrInvalidCredentials):
			got = http.StatusUnauthorized
		case err != nil:
			t.Fatalf("step %d: %v", i, err)
		}
		if got != step.want {
			t.Errorf("step %d, %s from %s: answered %d, want %d", i, step.name, step.ip, got, step.want)
		}
	}
}

func TestTooManyLoginsAreSentAwayBeforeTheyCount(t *testing.T) {
	config := stack.New(t)
	config.RatePerIP, config.RatePerName = 2, 3
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	requireLimits(t, config, []limitedStep{
		{"admin", "192.0.2.1", 200},
		{"ADMIN", "192.0.2.1", 200},
		{"admin", "192.0.2.1", 429}, // the address has had its two
		{"other", "192.0.2.1", 429},
		{"admin", "192.0.2.2", 200}, // the name's third
		{"ádmin", "198.51.100.2", 429},
		{"admin", "198.51.100.3", 429},
		{"admin", "192.0.2.3", 200}, // where the user has signed in from
		{"admin", "192.0.2.3", 200},
		{"admin", "192.0.2.4", 200},
		{"admin", "192.0.2.4", 429},                  // that network has had its three, too
		{"user:1@192.0.2.0/24", "198.51.100.3", 401}, // a name is not a network
		{"other", "2001:db8::1", 401},
		{"other", "2001:db8::2", 401}, // the same /64
		{"third", "2001:db8::3", 429},
		{"third", "2001:db8:0:1::3", 401},
	})
	if got := failures(t, config); got[domain.UnknownUser] != 4 || len(got) != 1 {
		t.Errorf("failures are %v: what is sent away is none", got)
	}
	requireUnbrokenChains(t, config)
}

// To the database more spellings are the same name than count together.
func TestOnlySpellingsThatCountTogetherAreTheSameName(t *testing.T) {
	config := stack.New(t)
	config.RatePerName = 3
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	requireLimits(t, config, []limitedStep{
		{"ADMIN", "192.0.2.1", 200},
		{"\u00e1dmin", "198.51.100.1", 200},
		{"a\u20dddmin", "203.0.113.1", 200},
		{"admin\u0308", "233.252.0.1", 429},
		{"a\u0369min", "233.252.0.1", 401}, // a small d above the a
	})
	if got := failures(t, config); got[domain.UnknownUser] != 1 || len(got) != 1 {
		t.Errorf("failures are %v", got)
	}
}

func TestALoginTooManyOfAnAddressIsToldWhenToComeAgain(t *testing.T) {
	config := stack.New(t)
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	config.RatePerIP = 1
	client := stack.Serve(t, config)
	for i, step := range []struct {
		ip   string
		want int
	}{
		{"192.0.2.1", http.StatusUnauthorized}, {"192.0.2.1", http.StatusTooManyRequests}, {"192.0.2.2", http.StatusUnauthorized},
	} {
		response, body := send(t, client, http.MethodPost, "/api/login",
			`{"username":"nobody","password":"any"}`, map[string]string{"X-Forwarded-For": step.ip})
		if response.StatusCode != step.want {
			t.Errorf("step %d: status %d %s, want %d", i, response.StatusCode, body, step.want)
		}
		after, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if step.want == http.StatusTooManyRequests && (err != nil || after < 1 || after > 60) {
			t.Errorf("step %d: Retry-After is %q", i, response.Header.Get("Retry-After"))
		}
	}
}
