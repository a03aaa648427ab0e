package service_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
)

type openAPI struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string
		Parameters  []parameter
		Responses   map[string]any
	}
}

type parameter struct{ Name string }

// calls has a request for each operation of the description. The token is an
// administrator's, and COMMIT stands for a commitTs of the log.
var calls = map[string]struct {
	path, body string
	status     string
}{
	"login":                {"/api/login", `{"username":"admin","password":"admin"}`, "200"},
	"me":                   {"/api/me", "", "200"},
	"list-sessions":        {"/api/sessions", "", "200"},
	"end-session":          {"/api/sessions/550e8400-e29b-41d4-a716-446655440000", "", "404"},
	"list-users":           {"/api/users?limit=1", "", "200"},
	"show-user":            {"/api/users/1", "", "200"},
	"create-user":          {"/api/users", `{"username":"eve","password":"` + strong + `"}`, "201"},
	"change-user":          {"/api/users/1", `{"role":"admin"}`, "200"},
	"delete-user":          {"/api/users/99", "", "404"},
	"reset-password":       {"/api/users/99/password", `{"newPassword":"` + strong + `"}`, "404"},
	"change-password":      {"/api/password", `{"oldPassword":"wrong","newPassword":"` + strong + `"}`, "403"},
	"list-audit":           {"/api/audit?limit=1", "", "200"},
	"show-transaction":     {"/api/audit/transactions/COMMIT", "", "200"},
	"list-messages":        {"/api/audit/transactions/COMMIT/messages", "", "200"},
	"list-findings":        {"/api/audit/findings?limit=1", "", "200"},
	"count-logins":         {"/api/stats/logins?bucket=day", "", "200"},
	"list-own-logins":      {"/api/me/logins?limit=1", "", "200"},
	"show-status":          {"/api/status", "", "200"},
	"export-audit":         {"/api/audit/export?format=ocsf", "", "200"},
	"list-projections":     {"/api/projections", "", "200"},
	"rebuild-projection":   {"/api/projections/logins/rebuild", `{"verify":true}`, "202"},
	"roll-back-projection": {"/api/projections/audit/rollback", "", "409"},
	"list-dead-letters":    {"/api/deadletters?limit=1", "", "200"},
	"retry-dead-letter":    {"/api/deadletters/retry", `{"topic":"none","partition":0,"offset":0}`, "404"},
	"waive-dead-letter":    {"/api/deadletters/waive", `{"topic":"none","partition":0,"offset":0,"reason":"none"}`, "404"},
	"health":               {"/health", "", "200"},
	"livez":                {"/livez", "", "200"},
	"readyz":               {"/readyz", "", "200"},
	"logout":               {"/api/logout", "", "204"},
	"stream-audit":         {"/api/audit/stream?reads=true", "", "200"},
}

func TestEveryDescribedOperationAnswersAsDescribed(t *testing.T) {
	config := stack.New(t)
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	stack.AwaitWorker(t, config)
	var description openAPI
	if err := json.Unmarshal(call(t, client, "GET", "/openapi.json", "", 200), &description); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(description.OpenAPI, "3.1") {
		t.Errorf("version %s", description.OpenAPI)
	}
	token := login(t, client, "admin")
	var commitTs string
	eventuallyAudit(t, client, token, func(entries []stack.Entry) error {
		commitTs = entries[0].CommitTs
		return nil
	})
	var called []string
	for path, methods := range description.Paths {
		for method, operation := range methods {
			request, ok := calls[operation.OperationID]
			if !ok {
				t.Errorf("no request for %s %s (%s)", method, path, operation.OperationID)
				continue
			}
			called = append(called, operation.OperationID)
			_, unprocessable := operation.Responses["422"]
			if want := slices.ContainsFunc(operation.Parameters, func(p parameter) bool { return p.Name == "Idempotency-Key" }); unprocessable != want {
				t.Errorf("%s: described with 422 is %v, want %v", operation.OperationID, unprocessable, want)
			}
			// Each has a session of its own, so that logout ends no other.
			token := login(t, client, "admin")
			response, body, err := client.Do(t.Context(), strings.ToUpper(method), strings.Replace(request.path, "COMMIT", commitTs, 1), token, request.body)
			if err != nil {
				t.Fatal(err)
			}
			status := response.Status[:3]
			_, described := operation.Responses[status]
			if status != request.status || !described {
				t.Errorf("%s: status %s %s, want %s, described %v", operation.OperationID, status, body, request.status, described)
			}
		}
	}
	for id := range calls {
		if !slices.Contains(called, id) {
			t.Errorf("%s is not described", id)
		}
	}
}

func TestTheDocsNameEveryOperationAndLoadNothing(t *testing.T) {
	config := stack.New(t)
	client := stack.Serve(t, config)
	response, body, err := client.Do(t.Context(), http.MethodGet, "/docs", "", "")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", response, err)
	}
	page := string(body)
	for id := range calls {
		if !strings.Contains(page, `id="`+id+`"`) {
			t.Errorf("the page does not name %s", id)
		}
	}
	for _, loading := range []string{"http://", "https://", "<script", "<link", "<img"} {
		if strings.Contains(page, loading) {
			t.Errorf("the page has %s", loading)
		}
	}
}
