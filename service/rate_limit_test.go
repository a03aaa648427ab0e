package service_test

import (
	"net/http"
	"net/netip"
	"strconv"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

// A test takes less time than a place in these limits needs to become free.
func TestTooManyLoginsAreSentAwayBeforeTheyCount(t *testing.T) {
	config := stack.New(t)
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	config.RatePerIP, config.RatePerName = 2, 3
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	for i, step := range []struct {
		name, ip string
		want     int
	}{
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
	} {
		response, body := send(t, client, http.MethodPost, "/api/login",
			`{"username":"`+step.name+`","password":"admin"}`, map[string]string{"X-Forwarded-For": step.ip})
		if response.StatusCode != step.want {
			t.Errorf("step %d, %s from %s: status %d %s, want %d", i, step.name, step.ip, response.StatusCode, body, step.want)
		}
		after, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if step.want == 429 && (err != nil || after < 1 || after > 60) {
			t.Errorf("step %d: Retry-After is %q", i, response.Header.Get("Retry-After"))
		}
	}
	if got := failures(t, config); got[domain.UnknownUser] != 4 || len(got) != 1 {
		t.Errorf("failures are %v: what is sent away is none", got)
	}
	requireUnbrokenChains(t, config)
}

func TestEverySpellingOfANameCountsUnderIt(t *testing.T) {
	config := stack.New(t)
	config.RatePerName = 2
	stack.AddUser(t, config, "bjaera", domain.RoleUser)
	client := stack.Serve(t, config)
	for i, step := range []struct {
		name string
		want int
	}{
		{"bjaera", http.StatusUnauthorized},
		{"bjæra", http.StatusUnauthorized}, // the same name to the database
		{"BJÆRA", http.StatusTooManyRequests},
		{"bja\u20ddera", http.StatusTooManyRequests},
		{"bjaera", http.StatusTooManyRequests},
		{"other", http.StatusUnauthorized},
	} {
		response, body := send(t, client, http.MethodPost, "/api/login", `{"username":"`+step.name+`","password":"wrong"}`, nil)
		if response.StatusCode != step.want {
			t.Errorf("step %d, %s: status %d %s, want %d", i, step.name, response.StatusCode, body, step.want)
		}
	}
}
