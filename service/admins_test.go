package service_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

// takeAway are the ways to lose an administrator, each with the status of its
// success.
var takeAway = map[string]struct {
	method, body string
	status       int
}{
	"demote":  {http.MethodPatch, `{"role":"user"}`, http.StatusOK},
	"disable": {http.MethodPatch, `{"status":"disabled"}`, http.StatusOK},
	"delete":  {http.MethodDelete, "", http.StatusNoContent},
}

func TestTheLastAdministratorStays(t *testing.T) {
	config, client, admin, _ := newAccounts(t)
	other := stack.AddUser(t, config, "other", domain.RoleAdmin)
	// An administrator who cannot sign in is none.
	sendJSON(t, client, "PATCH", "/api/users/"+other.String(), admin, `{"status":"disabled"}`, http.StatusOK)
	for name, way := range takeAway {
		t.Run(name, func(t *testing.T) {
			sendJSON(t, client, way.method, "/api/users/1", admin, way.body, http.StatusConflict)
			sendJSON(t, client, "GET", "/api/users", admin, "", http.StatusOK)
		})
	}
	sendJSON(t, client, "PATCH", "/api/users/"+other.String(), admin, `{"status":"active"}`, http.StatusOK)
	sendJSON(t, client, "PATCH", "/api/users/1", admin, `{"role":"user"}`, http.StatusOK)
	sendJSON(t, client, "GET", "/api/users", admin, "", http.StatusForbidden)
}

func TestAdministratorsCannotTakeEachOtherAwayAtTheSameMoment(t *testing.T) {
	config := stack.New(t)
	clients := []*stack.Client{stack.Serve(t, config), stack.Serve(t, config)}
	db := stack.DB(t, config)
	const rounds = 8
	for name, way := range takeAway {
		t.Run(name, func(t *testing.T) {
			for round := range rounds {
				exec(t, config, "UPDATE users SET status = 'disabled'")
				var ids []domain.UserID
				var tokens []string
				for i := range 2 {
					user := fmt.Sprintf("%s-%d-%d", name, round, i)
					ids = append(ids, stack.AddUser(t, config, user, domain.RoleAdmin))
					tokens = append(tokens, login(t, clients[i], user))
				}
				statuses := make([]int, 2)
				var racing sync.WaitGroup
				for i, client := range clients {
					racing.Go(func() {
						statuses[i], _ = untilServed(t, client, way.method, "/api/users/"+ids[1-i].String(), tokens[i], "", way.body)
					})
				}
				racing.Wait()
				var left int
				err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM users WHERE role = 'admin' AND status = 'active'").Scan(&left)
				if err != nil || left != 1 {
					t.Fatalf("round %d: %d administrators are left, answers %v, %v", round, left, statuses, err)
				}
				for _, status := range statuses {
					switch status {
					// The loser of the race may have lost its session or role.
					case way.status, http.StatusConflict, http.StatusUnauthorized, http.StatusForbidden:
					default:
						t.Errorf("round %d: answers %v", round, statuses)
					}
				}
			}
		})
	}
	requireAdminGuardWaits(t, config, clients[0])
}

// untilServed sends a request, a few times at most, until it is answered
// anything but 503, which is for those that have waited too long for others. Any
// goroutine may call it.
func untilServed(t *testing.T, client *stack.Client, method, path, token, key, body string) (status int, answer []byte) {
	t.Helper()
	for range 10 {
		response, text, err := client.DoKeyed(t.Context(), method, path, token, key, body)
		if err != nil {
			t.Error(err)
			return 0, nil
		}
		if status, answer = response.StatusCode, text; status != http.StatusServiceUnavailable {
			break
		}
	}
	return status, answer
}

// requireAdminGuardWaits shows that the rule holds for requests that have
// passed every check before their transaction: many at once, each of another
// administrator.
func requireAdminGuardWaits(t *testing.T, config service.Config, client *stack.Client) {
	t.Helper()
	exec(t, config, "UPDATE users SET status = 'disabled'")
	const admins = 6
	var ids []domain.UserID
	var tokens []string
	for i := range admins {
		user := fmt.Sprintf("many-%d", i)
		ids = append(ids, stack.AddUser(t, config, user, domain.RoleAdmin))
		tokens = append(tokens, login(t, client, user))
	}
	var racing sync.WaitGroup
	for i := range admins {
		racing.Go(func() {
			// Everybody steps down.
			untilServed(t, client, "PATCH", "/api/users/"+ids[i].String(), tokens[i], "", `{"role":"user"}`)
		})
	}
	racing.Wait()
	var left int
	err := stack.DB(t, config).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM users WHERE role = 'admin' AND status = 'active'").Scan(&left)
	if err != nil || left != 1 {
		t.Errorf("%d of %d administrators are left, %v", left, admins, err)
	}
}
