package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"helfy/internal/stack"
)

// visitRoutes calls every route, with secrets where a client might put them.
func (p *planter) visitRoutes() {
	db := stack.DB(p.t, p.config)
	userPassword := p.password("of the user")
	p.run(userPassword, "user", "create", "--username", marker, "--password-stdin")
	p.rememberHashes(db)
	admin := p.login("admin", p.secrets["password first"])

	wrong := p.password("that is wrong")
	p.call(http.MethodPost, "/api/login", "", credentials(p.t, marker, wrong), http.StatusUnauthorized)
	mistyped := p.password("in the field of the name")
	p.call(http.MethodPost, "/api/login", "", credentials(p.t, mistyped, wrong), http.StatusUnauthorized)
	p.call(http.MethodPost, "/api/login", "", `{"username":"`+marker+`","password":"`+wrong, http.StatusBadRequest)
	p.call(http.MethodPost, "/api/login", "", `{"username":"`+marker+`","passwort":"`+wrong+`"}`, http.StatusBadRequest)
	p.call(http.MethodPost, "/api/login", "", `{"username":{"`+wrong+`":1},"password":["`+wrong+`"]}`, http.StatusBadRequest)

	token := p.login(marker, userPassword)
	other := p.login(marker, userPassword)
	p.call(http.MethodGet, "/api/me", token, "", http.StatusOK)
	p.call(http.MethodGet, "/api/me", "00000000-0000-4000-8000-000000000000", "", http.StatusUnauthorized)
	var me struct{ SessionID string }
	if err := json.Unmarshal(p.call(http.MethodGet, "/api/me", other, "", http.StatusOK), &me); err != nil {
		p.t.Fatal(err)
	}
	p.call(http.MethodGet, "/api/sessions", token, "", http.StatusOK)
	p.call(http.MethodGet, "/api/me/logins", token, "", http.StatusOK)
	p.call(http.MethodDelete, "/api/sessions/"+me.SessionID, token, "", http.StatusNoContent)
	p.call(http.MethodPost, "/api/logout", token, "", http.StatusNoContent)
	p.changePasswords(admin, userPassword)
	p.changeUsers(admin)
	p.signInByCookie()
	p.rememberHashes(db)

	p.requireInLog(admin)
	var page struct {
		Entries []struct{ CommitTs string }
	}
	if err := json.Unmarshal(p.call(http.MethodGet, "/api/audit?limit=500&reads=true", admin, "", http.StatusOK), &page); err != nil {
		p.t.Fatal(err)
	}
	for _, entry := range page.Entries[:min(10, len(page.Entries))] {
		p.call(http.MethodGet, "/api/audit/transactions/"+entry.CommitTs, admin, "", http.StatusOK)
		p.call(http.MethodGet, "/api/audit/transactions/"+entry.CommitTs+"/messages", admin, "", http.StatusOK)
	}
	for _, parameter := range []string{"user", "table"} {
		pasted := url.QueryEscape(p.password("in the filter " + parameter))
		p.call(http.MethodGet, "/api/audit?"+parameter+"="+pasted, admin, "", http.StatusOK)
	}
	for _, format := range []string{"csv", "jsonl", "ocsf"} {
		p.call(http.MethodGet, "/api/audit/export?format="+format, admin, "", http.StatusOK)
	}
	p.call(http.MethodGet, "/api/audit/findings", admin, "", http.StatusOK)
	p.call(http.MethodGet, "/api/audit/stream?reads=true", admin, "", http.StatusOK)
	p.call(http.MethodGet, "/api/stats/logins", admin, "", http.StatusOK)
	p.call(http.MethodGet, "/api/status", admin, "", http.StatusOK)
	p.workOnProjections(admin)
	for _, path := range []string{"/health", "/livez", "/readyz", "/openapi.json", "/docs"} {
		p.call(http.MethodGet, path, "", "", http.StatusOK)
	}
}

// workOnProjections does what administrators can.
func (p *planter) workOnProjections(admin string) {
	stack.AwaitWorker(p.t, p.config)
	p.call(http.MethodPost, "/api/projections/logins/rollback", admin, "", http.StatusConflict)
	p.call(http.MethodPost, "/api/projections/logins/rebuild", admin, `{"verify":true}`, http.StatusAccepted)
	stack.Eventually(p.t, patience, func() error {
		if answer := p.call(http.MethodGet, "/api/projections", admin, "", http.StatusOK); !strings.Contains(string(answer), `"state":"equal"`) {
			return fmt.Errorf("the rebuild has not ended: %s", answer)
		}
		return nil
	})
	p.call(http.MethodGet, "/api/deadletters", admin, "", http.StatusOK)
	const nowhere = `{"topic":"none","partition":0,"offset":0`
	p.call(http.MethodPost, "/api/deadletters/retry", admin, nowhere+`}`, http.StatusNotFound)
	p.call(http.MethodPost, "/api/deadletters/waive", admin, nowhere+`,"reason":"none"}`, http.StatusNotFound)
}

// changePasswords sets passwords in each way, and tries to in wrong ones.
func (p *planter) changePasswords(admin, old string) {
	token := p.login(marker, old)
	weak := p.password("that is too long" + strings.Repeat("!", 256))
	changed := p.password("that the user has chosen")
	for body, want := range map[string]int{
		passwords("oldPassword", p.password("that is not the old one"), "newPassword", changed): http.StatusForbidden,
		passwords("oldPassword", old, "newPassword", weak+strings.Repeat("!", 256)):             http.StatusBadRequest,
	} {
		p.call(http.MethodPost, "/api/password", token, body, want)
	}
	p.call(http.MethodPost, "/api/password", token, passwords("oldPassword", old, "newPassword", changed), http.StatusNoContent)

	id := p.userID(admin, marker)
	reset := p.password("that an admin has set")
	p.call(http.MethodPost, "/api/users/"+id+"/password", admin, passwords("newPassword", reset), http.StatusNoContent)
	token = p.login(marker, reset)
	p.call(http.MethodPost, "/api/password", token,
		passwords("oldPassword", reset, "newPassword", p.password("after the reset")), http.StatusNoContent)
}

// changeUsers makes, changes and deletes a user.
func (p *planter) changeUsers(admin string) {
	const name = marker + "-2"
	first := p.password("of the second user")
	p.call(http.MethodPost, "/api/users", admin, credentials(p.t, name, first), http.StatusCreated)
	p.call(http.MethodPost, "/api/users", admin, credentials(p.t, name, p.password("of a name that is taken")), http.StatusConflict)
	p.call(http.MethodPost, "/api/users", admin, credentials(p.t, p.password("as a name")+"\u0000", first), http.StatusBadRequest)
	p.call(http.MethodGet, "/api/users", admin, "", http.StatusOK)
	id := p.userID(admin, name)
	p.call(http.MethodGet, "/api/users/"+id, admin, "", http.StatusOK)
	for _, body := range []string{
		`{"role":"admin"}`, `{"role":"user"}`, `{"status":"disabled"}`, `{"status":"active"}`, `{"locked":false}`,
		`{"username":"` + marker + `-3"}`,
	} {
		p.call(http.MethodPatch, "/api/users/"+id, admin, body, http.StatusOK)
	}
	p.login(marker+"-3", first)
	p.rememberHashes(stack.DB(p.t, p.config))
	p.call(http.MethodDelete, "/api/users/"+id, admin, "", http.StatusNoContent)
}

// signInByCookie takes the token from the cookie, which is where it belongs.
func (p *planter) signInByCookie() {
	response, answer, err := p.api.Do(p.t.Context(), http.MethodPost, "/api/login?cookie=true", "",
		credentials(p.t, "admin", p.secrets["password first"]))
	if err != nil || response.StatusCode != http.StatusOK || len(response.Cookies()) != 1 {
		p.t.Fatalf("%v: %s, %v", response, answer, err)
	}
	p.secrets["token of the cookie"] = response.Cookies()[0].Value
	p.remember("answer of POST /api/login?cookie=true", answer)
}

func (p *planter) userID(admin, name string) string {
	p.t.Helper()
	var list struct{ Users []struct{ ID int64 } }
	answer := p.call(http.MethodGet, "/api/users?user="+name, admin, "", http.StatusOK)
	if err := json.Unmarshal(answer, &list); err != nil || len(list.Users) != 1 {
		p.t.Fatalf("%s: %v", answer, err)
	}
	return strconv.FormatInt(list.Users[0].ID, 10)
}

// passwords makes a body of members and their values.
func passwords(members ...string) string {
	body := map[string]string{}
	for i := 0; i < len(members); i += 2 {
		body[members[i]] = members[i+1]
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // texts have a JSON form
	}
	return string(text)
}

// runAuditCommands runs those that need the consumers running.
func (p *planter) runAuditCommands() {
	dir := p.t.TempDir()
	p.run("", "key", "create-seal", filepath.Join(dir, "seal-key"))
	p.run("", "audit", "findings")
	p.run("", "audit", "verify", "--from", "table")
	p.run("", "audit", "seal", "--key", filepath.Join(dir, "seal-key"), "--out", filepath.Join(dir, "seal"))
	export := filepath.Join(dir, "export")
	p.run("", "audit", "export-topics", export)
	p.run("", "audit", "verify", "--from", export, "--seal", filepath.Join(dir, "seal"), "--public-key", filepath.Join(dir, "seal-key.pub"))
	p.searchFiles(export, p.secrets)
	p.runDeadLetterCommands()
}

// runDeadLetterCommands runs them with a message that nobody understands.
func (p *planter) runDeadLetterCommands() {
	at := p.config.EventsTopic + "/0/" + strconv.FormatInt(stack.Produce(p.t, p.config, p.config.EventsTopic, 0, `{"poison":`), 10)
	listed := func(state string) {
		stack.Eventually(p.t, patience, func() error {
			// Of the audit log, the login statistics and the notifications.
			if count := strings.Count(p.run("", "deadletters", "list", "--state", state), at+" "); count != 3 {
				return fmt.Errorf("%s is %s in %d projections", at, state, count)
			}
			return nil
		})
	}
	listed("open")
	p.run("", "deadletters", "show", at)
	p.run("", "deadletters", "waive", at, "--reason", "a test wrote it", "--by", marker)
	listed("waived")
	p.run("", "deadletters", "retry", "--all")
}

// runCommands runs all other commands.
func (p *planter) runCommands() {
	dir := p.t.TempDir()
	serving := stack.Start(p.t, p.config, "serve")
	serving.Address(p.t)
	p.stop(serving, "serve")
	consuming := stack.Start(p.t, p.config, "consume")
	stack.Eventually(p.t, patience, func() error {
		if !strings.Contains(consuming.Said(), p.config.MetricsAddress) {
			return errors.New("consume has not begun")
		}
		return nil
	})
	p.run("", "rebuild", "audit")
	p.run("", "rollback", "audit") // which wants the consumers to have fed both generations
	p.stop(consuming, "consume")
	p.run("", "migrate", "status")
	p.run("", "topics", "ensure")
	p.run("", "changefeed", "ensure")
	p.run("", "changefeed", "status")
	p.runDoctor()
	p.run("", "changefeed", "pause")
	p.run("", "changefeed", "resume")
	p.run("", "changefeed", "remove", p.config.ChangefeedID)
	p.run("", "changefeed", "ensure", "--replace")
	p.run("", "user", "list")
	p.run("", "projections", "list")
	p.run("", "projections", "prune", "audit")
	key := filepath.Join(dir, "key")
	p.run("", "key", "create", key)
	_, id, _ := strings.Cut(p.run("", "key", "add", key), "added key ")
	id, _, _ = strings.Cut(id, " ")
	p.run("", "key", "rotate", key, id)
	p.run("", "key", "list", key)
	p.run("", "key", "usage")
	p.run("", "hash", "calibrate", "--target", "20ms")
	p.run("", "probe", p.config.TiCDCURL+"/api/v2/health")
	p.runUserCommands()
	p.run("", "message", "decode", "../canaljson/testdata/tiflow-v8.5.5/users.insert_nulls.ext.json")
}

func (p *planter) runUserCommands() {
	const name = marker + "-4"
	p.run(p.password("of the fourth user"), "user", "create", "--username", name, "--password-stdin")
	p.run("", "user", "set-role", "--username", name, "--role", "admin")
	p.run("", "user", "disable", "--username", name)
	p.run("", "user", "enable", "--username", name)
	p.run("", "user", "unlock", "--username", name)
	p.run("", "user", "rename", "--username", name, "--to", name+"b")
	p.run(p.password("that the terminal has set"), "user", "reset-password", "--username", name+"b", "--password-stdin")
	p.rememberHashes(stack.DB(p.t, p.config))
	p.run("", "user", "delete", "--username", name+"b")
}

// makeAccounts gives the accounts of TiDB new passwords, after which no other
// command may run.
func (p *planter) makeAccounts() {
	dir := p.t.TempDir()
	args := []string{"tidb", "accounts", "ensure"}
	for _, account := range []string{"migrate", "api", "consumer"} {
		file := filepath.Join(dir, account)
		if err := os.WriteFile(file, []byte(p.password("of the account "+account)), 0o600); err != nil {
			p.t.Fatal(err)
		}
		args = append(args, "--"+account+"-password-file", file)
	}
	p.run("", args...)
}

// runDoctor runs it; whether consumers run is not its business here.
func (p *planter) runDoctor() {
	code, said := stack.RunCommand(p.t, p.config, "", "doctor")
	if code > 1 || !strings.Contains(said, "changefeed") {
		p.t.Errorf("helfy doctor: exit code %d: %s", code, said)
	}
	p.ran = append(p.ran, "doctor")
	p.remember("output of doctor", []byte(said))
}
