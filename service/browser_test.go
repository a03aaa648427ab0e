package service_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

// stays is a client that does not go where it is sent.
var stays = http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// send sends a request with headers, and returns the answer and its body.
func send(t *testing.T, client *stack.Client, method, path, body string, headers map[string]string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, client.Base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := stays.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := stack.ReadAnswer(response)
	if err != nil {
		t.Fatal(err)
	}
	return response, text
}

const adminsLogin = `{"username":"admin","password":"admin"}`

// cookieLogin signs the admin in as a browser does and returns the cookie.
func cookieLogin(t *testing.T, client *stack.Client, headers map[string]string) *http.Cookie {
	t.Helper()
	response, body := send(t, client, http.MethodPost, "/api/login?cookie=true", adminsLogin, headers)
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d %s, %v", response.StatusCode, body, err)
	}
	cookies := response.Cookies()
	if len(cookies) != 1 || members["token"] != nil || strings.Contains(string(body), cookies[0].Value) {
		t.Fatalf("cookies %v, body %s: want the token in one cookie and not in the body", cookies, body)
	}
	return cookies[0]
}

func TestABrowsersSessionIsACookieThatScriptsCannotRead(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	cookie := cookieLogin(t, client, nil)
	if cookie.Name != "helfy_session" || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode ||
		cookie.Path != "/" || cookie.Domain != "" || cookie.Secure {
		t.Errorf("cookie is %+v", cookie)
	}
	if rest := time.Duration(cookie.MaxAge) * time.Second; rest > config.SessionTTL || rest < config.SessionTTL-time.Minute {
		t.Errorf("the cookie lasts %s, the session %s", rest, config.SessionTTL)
	}
	sent := map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}
	if response, body := send(t, client, http.MethodGet, "/api/me", "", sent); response.StatusCode != http.StatusOK {
		t.Errorf("status %d %s", response.StatusCode, body)
	}
	response, _ := send(t, client, http.MethodPost, "/api/logout", "", sent)
	cleared := response.Cookies()
	if response.StatusCode != http.StatusNoContent || len(cleared) != 1 || cleared[0].Name != cookie.Name ||
		cleared[0].MaxAge != -1 || cleared[0].Value != "" || cleared[0].Path != "/" {
		t.Errorf("status %d, cookies %+v: want the cookie cleared", response.StatusCode, cleared)
	}
	if response, _ := send(t, client, http.MethodGet, "/api/me", "", sent); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d after logout", response.StatusCode)
	}
}

func TestOnlyTheOwnSessionsEndClearsTheCookie(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	token, cookie := login(t, client, "admin"), cookieLogin(t, client, nil)
	sessionOf := func(token string) string {
		var me struct{ SessionID string }
		if err := json.Unmarshal(call(t, client, "GET", "/api/me", token, http.StatusOK), &me); err != nil {
			t.Fatal(err)
		}
		return me.SessionID
	}
	other, own := sessionOf(token), sessionOf(cookie.Value)
	sent := map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}
	for _, end := range []struct {
		session string
		cleared int
	}{{other, 0}, {own, 1}} {
		response, body := send(t, client, http.MethodDelete, "/api/sessions/"+end.session, "", sent)
		if response.StatusCode != http.StatusNoContent || len(response.Cookies()) != end.cleared {
			t.Errorf("status %d %s, cookies %v, want %d", response.StatusCode, body, response.Cookies(), end.cleared)
		}
	}
}

func TestALoginWithoutCookieSetsNone(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	for _, path := range []string{"/api/login", "/api/login?cookie=false"} {
		response, body := send(t, client, http.MethodPost, path, adminsLogin, nil)
		if len(response.Cookies()) != 0 || !strings.Contains(string(body), `"token"`) {
			t.Errorf("%s: cookies %v, body %s", path, response.Cookies(), body)
		}
	}
}

func TestBehindTLSTheCookieIsTheHostsOwn(t *testing.T) {
	config := stack.New(t)
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	cookie := cookieLogin(t, client, map[string]string{"X-Forwarded-Proto": "https"})
	if cookie.Name != "__Host-helfy_session" || !cookie.Secure || cookie.Path != "/" || cookie.Domain != "" {
		t.Errorf("cookie is %+v", cookie)
	}
	plain := cookieLogin(t, client, map[string]string{"X-Forwarded-Proto": "http"})
	for name, test := range map[string]struct {
		proto, cookie string
		want          int
	}{
		"own cookie over TLS":            {"https", "__Host-helfy_session=" + cookie.Value, http.StatusOK},
		"planted cookie over TLS":        {"https", "helfy_session=" + plain.Value, http.StatusUnauthorized},
		"plain cookie over plain HTTP":   {"http", "helfy_session=" + plain.Value, http.StatusOK},
		"secure cookie over plain HTTP":  {"http", "__Host-helfy_session=" + cookie.Value, http.StatusUnauthorized},
		"the client says it, not nginx":  {"https, http", "__Host-helfy_session=" + cookie.Value, http.StatusUnauthorized},
		"the proxy appends to a lie":     {"http, HTTPS", "__Host-helfy_session=" + cookie.Value, http.StatusOK},
		"both: only the own one is read": {"https", "helfy_session=x; __Host-helfy_session=" + cookie.Value, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			response, body := send(t, client, http.MethodGet, "/api/me", "", map[string]string{
				"X-Forwarded-Proto": test.proto, "Cookie": test.cookie,
			})
			if response.StatusCode != test.want {
				t.Errorf("status %d %s, want %d", response.StatusCode, body, test.want)
			}
		})
	}
}

func TestOnlyATrustedProxyCanSayThatThereIsTLS(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	if cookie := cookieLogin(t, client, map[string]string{"X-Forwarded-Proto": "https"}); cookie.Secure {
		t.Errorf("cookie is %+v", cookie)
	}
}

func TestABearerTokenCountsMoreThanACookie(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	stack.AddUser(t, config, "user", domain.RoleUser)
	client := stack.Serve(t, config)
	cookie, user := cookieLogin(t, client, nil), login(t, client, "user")
	for name, test := range map[string]struct {
		authorization string
		want          int
		username      string
	}{
		"cookie alone":         {"", http.StatusOK, "admin"},
		"another user's token": {"Bearer " + user, http.StatusOK, "user"},
		"unknown token":        {"Bearer 550e8400-e29b-41d4-a716-446655440000", http.StatusUnauthorized, ""},
		"no token":             {"Bearer ", http.StatusUnauthorized, ""},
		"another scheme":       {"Basic YWRtaW46YWRtaW4=", http.StatusUnauthorized, ""},
		"no scheme":            {user, http.StatusUnauthorized, ""},
	} {
		t.Run(name, func(t *testing.T) {
			headers := map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}
			if test.authorization != "" {
				headers["Authorization"] = test.authorization
			}
			response, body := send(t, client, http.MethodGet, "/api/me", "", headers)
			var me struct{ Username string }
			if err := json.Unmarshal(body, &me); err != nil || response.StatusCode != test.want || me.Username != test.username {
				t.Errorf("status %d %s, want %d %s", response.StatusCode, body, test.want, test.username)
			}
		})
	}
}

func TestAPageOfAnotherOriginCanChangeNothing(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client := stack.Serve(t, config)
	host := strings.TrimPrefix(client.Base, "http://")
	for name, test := range map[string]struct {
		headers map[string]string
		passes  bool
	}{
		"cross-site":               {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, false},
		"same-site":                {map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://other.example"}, false},
		"another origin":           {map[string]string{"Origin": "https://evil.example"}, false},
		"null origin":              {map[string]string{"Origin": "null"}, false},
		"same-origin":              {map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": client.Base}, true},
		"same origin, old browser": {map[string]string{"Origin": "http://" + host}, true},
		"typed by the user":        {map[string]string{"Sec-Fetch-Site": "none"}, true},
		"a program":                {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			cookie := cookieLogin(t, client, nil)
			headers := map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}
			for name, value := range test.headers {
				headers[name] = value
			}
			for _, request := range []struct {
				method, path, body string
				passed             int
			}{
				{http.MethodGet, "/api/me", "", http.StatusOK}, // changes nothing: always passes
				{http.MethodPost, "/api/login", adminsLogin, http.StatusOK},
				{http.MethodDelete, "/api/sessions/550e8400-e29b-41d4-a716-446655440000", "", http.StatusNotFound},
				{http.MethodPost, "/api/logout", "", http.StatusNoContent},
			} {
				want := request.passed
				if !test.passes && request.method != http.MethodGet {
					want = http.StatusForbidden
				}
				response, body := send(t, client, request.method, request.path, request.body, headers)
				if response.StatusCode != want {
					t.Errorf("%s %s: status %d %s, want %d", request.method, request.path, response.StatusCode, body, want)
				}
				if want == http.StatusForbidden && response.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s %s: the refusal is %s", request.method, request.path, body)
				}
			}
		})
	}
}
