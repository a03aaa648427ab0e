package service_test

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"helfy/domain"
	"helfy/internal/stack"
	httpport "helfy/ports/http"
)

// access says who may call a route.
type access int

const (
	everyone access = iota
	signedIn
	admins
	// browsers are sent to sign in, and are told what they may not see.
	browsers
	adminsBrowsers
	// strangers may sign in; who has done so is sent on.
	strangers
)

// routes has every route with a request, and the status of the answer for
// those who may call it. USER stands for the id of a user, NEW for a name that
// nobody has, and SELF for the name of the caller, which is also the password.
var routes = map[string]struct {
	access     access
	path, body string
	status     int
}{
	"POST /api/login":                                 {everyone, "/api/login", adminsLogin, http.StatusOK},
	"POST /api/logout":                                {signedIn, "/api/logout", "", http.StatusNoContent},
	"GET /api/me":                                     {signedIn, "/api/me", "", http.StatusOK},
	"GET /api/me/logins":                              {signedIn, "/api/me/logins", "", http.StatusOK},
	"GET /api/status":                                 {admins, "/api/status", "", http.StatusOK},
	"GET /api/sessions":                               {signedIn, "/api/sessions", "", http.StatusOK},
	"DELETE /api/sessions/{id}":                       {signedIn, "/api/sessions/550e8400-e29b-41d4-a716-446655440000", "", http.StatusNotFound},
	"GET /api/users":                                  {admins, "/api/users", "", http.StatusOK},
	"POST /api/users":                                 {admins, "/api/users", `{"username":"NEW","password":"` + strong + `"}`, http.StatusCreated},
	"GET /api/users/{id}":                             {admins, "/api/users/USER", "", http.StatusOK},
	"PATCH /api/users/{id}":                           {admins, "/api/users/USER", `{"status":"disabled"}`, http.StatusOK},
	"DELETE /api/users/{id}":                          {admins, "/api/users/USER", "", http.StatusNoContent},
	"POST /api/users/{id}/password":                   {admins, "/api/users/USER/password", `{"newPassword":"` + strong + `"}`, http.StatusNoContent},
	"POST /api/password":                              {signedIn, "/api/password", `{"oldPassword":"SELF","newPassword":"` + strong + `"}`, http.StatusNoContent},
	"GET /api/audit":                                  {admins, "/api/audit", "", http.StatusOK},
	"GET /api/audit/findings":                         {admins, "/api/audit/findings", "", http.StatusOK},
	"GET /api/audit/transactions/{commitTs}":          {admins, "/api/audit/transactions/1", "", http.StatusNotFound},
	"GET /api/audit/transactions/{commitTs}/messages": {admins, "/api/audit/transactions/1/messages", "", http.StatusNotFound},
	"GET /api/stats/logins":                           {admins, "/api/stats/logins", "", http.StatusOK},
	"GET /api/audit/export":                           {admins, "/api/audit/export", "", http.StatusOK},
	"GET /api/projections":                            {admins, "/api/projections", "", http.StatusOK},
	"POST /api/projections/{name}/rebuild":            {admins, "/api/projections/none/rebuild", "{}", http.StatusNotFound},
	"POST /api/projections/{name}/rollback":           {admins, "/api/projections/none/rollback", "", http.StatusNotFound},
	"GET /api/deadletters":                            {admins, "/api/deadletters", "", http.StatusOK},
	"POST /api/deadletters/retry":                     {admins, "/api/deadletters/retry", `{"topic":"none","partition":0,"offset":0}`, http.StatusNotFound},
	"POST /api/deadletters/waive":                     {admins, "/api/deadletters/waive", `{"topic":"none","partition":0,"offset":0,"reason":"none"}`, http.StatusNotFound},
	"GET /health":                                     {everyone, "/health", "", http.StatusOK},
	"GET /livez":                                      {everyone, "/livez", "", http.StatusOK},
	"GET /readyz":                                     {everyone, "/readyz", "", http.StatusOK},
	"GET /docs":                                       {everyone, "/docs", "", http.StatusOK},
	"GET /openapi.json":                               {everyone, "/openapi.json", "", http.StatusOK},
	"GET /openapi.yaml":                               {everyone, "/openapi.yaml", "", http.StatusOK},
	"GET /openapi-3.0.json":                           {everyone, "/openapi-3.0.json", "", http.StatusOK},
	"GET /openapi-3.0.yaml":                           {everyone, "/openapi-3.0.yaml", "", http.StatusOK},
	"GET /api/audit/stream":                           {admins, "/api/audit/stream", "", http.StatusOK},
	"GET /":                                           {strangers, "/", "", http.StatusSeeOther},
	"GET /assets/*":                                   {everyone, "/assets/js/app.js", "", http.StatusOK},
	"GET /dashboard":                                  {browsers, "/dashboard", "", http.StatusOK},
	"GET /me":                                         {browsers, "/me", "", http.StatusOK},
	"GET /trail":                                      {adminsBrowsers, "/trail", "", http.StatusOK},
	"GET /transactions/{commitTs}":                    {adminsBrowsers, "/transactions/1", "", http.StatusOK},
	"GET /patterns":                                   {adminsBrowsers, "/patterns", "", http.StatusOK},
	"GET /users":                                      {adminsBrowsers, "/users", "", http.StatusOK},
	"GET /projections":                                {adminsBrowsers, "/projections", "", http.StatusOK},
}

func TestEveryRouteIsInTheTable(t *testing.T) {
	router := httpport.NewHandler(httpport.Config{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	var registered []string
	err := chi.Walk(router.(chi.Routes), func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		registered = append(registered, method+" "+pattern)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(registered)
	if want := slices.Sorted(maps.Keys(routes)); !slices.Equal(registered, want) {
		t.Errorf("registered are\n%s\nin the table are\n%s", strings.Join(registered, "\n"), strings.Join(want, "\n"))
	}
}

// routeCaller is who sends a request: the headers that it has, and the status that
// a route answers which takes status from those who may call it.
type routeCaller struct {
	headers func(t *testing.T, name string) map[string]string
	role    domain.Role
	answer  func(method string, access access, status int) int
}

// refused answers a caller whose session does not count.
func refused(_ string, access access, status int) int {
	switch access {
	case everyone:
		return status
	case browsers, adminsBrowsers:
		return http.StatusSeeOther
	case strangers:
		return http.StatusOK
	default:
		return http.StatusUnauthorized
	}
}

// welcome answers a caller who may call every route.
func welcome(_ string, _ access, status int) int { return status }

func TestEveryRouteKnowsItsCallers(t *testing.T) {
	config := stack.New(t)
	client := stack.Serve(t, config)
	brief := config
	brief.SessionTTL = time.Millisecond
	expiring := stack.Serve(t, brief)
	bearer := func(token string) map[string]string { return map[string]string{"Authorization": "Bearer " + token} }
	cookie := func(token string) map[string]string { return map[string]string{"Cookie": "helfy_session=" + token} }
	callers := map[string]routeCaller{
		"no token": {
			func(*testing.T, string) map[string]string { return nil },
			domain.RoleAdmin, refused,
		},
		"malformed": {
			func(t *testing.T, name string) map[string]string {
				headers := cookie(login(t, client, name)) // does not help
				headers["Authorization"] = "Token " + uuid.NewString()
				return headers
			},
			domain.RoleAdmin, refused,
		},
		"expired": {
			func(t *testing.T, name string) map[string]string {
				token := login(t, expiring, name)
				stack.Pause(t, 2*brief.SessionTTL)
				return bearer(token)
			},
			domain.RoleAdmin, refused,
		},
		"revoked": {
			func(t *testing.T, name string) map[string]string {
				token := login(t, client, name)
				call(t, client, http.MethodPost, "/api/logout", token, http.StatusNoContent)
				return bearer(token)
			},
			domain.RoleAdmin, refused,
		},
		"disabled": {
			func(t *testing.T, name string) map[string]string {
				token := login(t, client, name)
				exec(t, config, "UPDATE users SET status = 'disabled' WHERE username = '"+name+"'")
				return bearer(token)
			},
			domain.RoleAdmin, refused,
		},
		"user": {
			func(t *testing.T, name string) map[string]string { return bearer(login(t, client, name)) },
			domain.RoleUser, func(_ string, access access, status int) int {
				if access == admins || access == adminsBrowsers {
					return http.StatusForbidden
				}
				return status
			},
		},
		"admin": {
			func(t *testing.T, name string) map[string]string { return bearer(login(t, client, name)) },
			domain.RoleAdmin, welcome,
		},
		"admin by cookie": {
			func(t *testing.T, name string) map[string]string { return cookie(login(t, client, name)) },
			domain.RoleAdmin, welcome,
		},
		"admin by cookie from another site": {
			func(t *testing.T, name string) map[string]string {
				headers := cookie(login(t, client, name))
				headers["Sec-Fetch-Site"], headers["Origin"] = "cross-site", "https://evil.example"
				return headers
			},
			domain.RoleAdmin, func(method string, _ access, status int) int {
				if method != http.MethodGet {
					return http.StatusForbidden
				}
				return status
			},
		},
	}
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	for who, caller := range callers {
		t.Run(who, func(t *testing.T) {
			for route, request := range routes {
				self := uuid.NewString()
				stack.AddUser(t, config, self, caller.role)
				method, _, _ := strings.Cut(route, " ")
				path, body := request.path, strings.NewReplacer("NEW", uuid.NewString(), "SELF", self).Replace(request.body)
				if strings.Contains(path, "USER") {
					other := stack.AddUser(t, config, uuid.NewString(), domain.RoleUser)
					path = strings.Replace(path, "USER", other.String(), 1)
				}
				response, answer := send(t, client, method, path, body, caller.headers(t, self))
				if want := caller.answer(method, request.access, request.status); response.StatusCode != want {
					t.Errorf("%s: status %d %s, want %d", route, response.StatusCode, answer, want)
				}
			}
		})
	}
}
