package service_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"helfy/adapters/tidb"
	"helfy/app/projection"
	"helfy/domain"
	"helfy/internal/stack"
	"helfy/service"
)

type listedProjections struct {
	Generations []struct {
		Projection    string
		Generation    int
		State         string
		Messages, Lag int64
		AtWork        string
	}
	Rebuilds []rebuildRun
}

type rebuildRun struct {
	Projection, State, Stage, By, Error string
	Verify, AcceptDiff                  bool
	EndedAt                             *string
	Generation                          int
	PerSecond                           *float64
	Result                              *projection.Rebuilt
	Differences                         []projection.Difference
}

func listProjections(t *testing.T, client *stack.Client, token string) listedProjections {
	t.Helper()
	return parse[listedProjections](t, call(t, client, http.MethodGet, "/api/projections", token, http.StatusOK))
}

// eventuallyRebuilt waits until the last rebuild of a projection is in a state.
func eventuallyRebuilt(t *testing.T, client *stack.Client, token, name, state string) (run rebuildRun) {
	t.Helper()
	stack.Eventually(t, 2*wait, func() error {
		for _, run = range listProjections(t, client, token).Rebuilds {
			if run.Projection == name && run.State == state {
				return nil
			}
		}
		return fmt.Errorf("no rebuild of %s is %s: %+v", name, state, run)
	})
	return run
}

// doingsOf returns the payloads of what was recorded of administrators' doings.
func doingsOf(t *testing.T, config service.Config) (all []string) {
	t.Helper()
	rows, err := stack.DB(t, config).QueryContext(t.Context(),
		"SELECT CONCAT(type, ' ', payload) FROM outbox WHERE aggregatetype = 'admin' ORDER BY seq")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAnAdministratorRebuildsAndRollsBackOverHTTP(t *testing.T) {
	config, client, token, _ := newLog(t)
	call(t, client, http.MethodPost, "/api/projections/audit/rollback", token, http.StatusConflict)
	sendJSON(t, client, http.MethodPost, "/api/projections/audit/rebuild", token, `{"verify":true}`, http.StatusAccepted)
	if run := eventuallyRebuilt(t, client, token, "audit", "equal"); !run.Verify || !run.Result.Discarded || run.By != "admin" || run.EndedAt == nil {
		t.Errorf("got %+v", run)
	}
	sendJSON(t, client, http.MethodPost, "/api/projections/audit/rebuild", token, `{}`, http.StatusAccepted)
	run := eventuallyRebuilt(t, client, token, "audit", "switched")
	if run.Generation != 3 || run.Result == nil || !run.Result.Equal || run.Result.New.Rows == 0 || run.Error != "" || run.PerSecond != nil {
		t.Errorf("got %+v", run)
	}
	requireStates(t, config, "standby pruned live")
	if answer := call(t, client, http.MethodPost, "/api/projections/audit/rollback", token, http.StatusOK); string(answer) != `{"generation":1}`+"\n" {
		t.Errorf("rolled back to %s", answer)
	}
	requireStates(t, config, "live pruned standby")
	const who = `{"userId":1,"username":"admin","projection":"audit"`
	want := []string{`PROJECTION_REBUILD ` + who + `,"verify":true}`, `PROJECTION_REBUILD ` + who + `}`, `PROJECTION_ROLLBACK ` + who + `}`}
	if got := doingsOf(t, config); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
	for _, one := range listProjections(t, client, token).Generations {
		if one.Messages == 0 || one.Lag > one.Messages || one.AtWork != "" {
			t.Errorf("got %+v", one)
		}
	}
	eventuallyComplete(t, client, token)
	if faults, err := stack.CheckChains(t.Context(), stack.DB(t, config), config.KeyFile); err != nil || len(faults) > 0 {
		t.Error(faults, err)
	}
}

func TestARebuildThatDiffersShowsInWhat(t *testing.T) {
	config, client, token, _ := newLog(t)
	exec(t, config, "UPDATE projection_audit_entries SET username = 'mallory' WHERE event_type = 'LOGIN_SUCCESS'")
	sendJSON(t, client, http.MethodPost, "/api/projections/audit/rebuild", token, `{}`, http.StatusAccepted)
	run := eventuallyRebuilt(t, client, token, "audit", "differs")
	if len(run.Differences) != 1 || *run.Differences[0].Live["username"] != "mallory" || *run.Differences[0].New["username"] != "admin" {
		t.Errorf("got %+v", run.Differences)
	}
	if run.Error == "" || run.Result.Switched || run.Result.New == run.Result.Old {
		t.Errorf("got %+v", run)
	}
	sendJSON(t, client, http.MethodPost, "/api/projections/audit/rebuild", token, `{"acceptDiff":true}`, http.StatusAccepted)
	if run := eventuallyRebuilt(t, client, token, "audit", "switched"); !run.AcceptDiff {
		t.Errorf("got %+v", run)
	}
}

func TestARebuildIsRefusedWhileSomebodyElseIsAtWork(t *testing.T) {
	config, client, token, _ := newLog(t)
	held, release, err := tidb.Hold(t.Context(), stack.DB(t, config), config.TiDBDatabase+".audit")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"rebuild", "rollback"} {
		answer := sendJSON(t, client, http.MethodPost, "/api/projections/audit/"+verb, token, bodyOf(verb), http.StatusConflict)
		if !strings.Contains(string(answer), "process ") {
			t.Errorf("%s does not say who it is: %s", verb, answer)
		}
	}
	if at := listProjections(t, client, token).Generations[0].AtWork; !strings.HasPrefix(at, "process ") {
		t.Errorf("at work is %q", at)
	}
	if err := errors.Join(held.Err(), release()); err != nil {
		t.Fatal(err)
	}
	if got := doingsOf(t, config); len(got) != 0 {
		t.Errorf("recorded although refused: %v", got)
	}
	for path, status := range map[string]int{"adit/rebuild": http.StatusNotFound, "adit/rollback": http.StatusNotFound} {
		sendJSON(t, client, http.MethodPost, "/api/projections/"+path, token, bodyOf(path[5:]), status)
	}
	sendJSON(t, client, http.MethodPost, "/api/projections/audit/rebuild", token, `{"verify":true,"acceptDiff":true}`, http.StatusBadRequest)
}

func bodyOf(verb string) string {
	if verb == "rebuild" {
		return "{}"
	}
	return ""
}

func TestARebuildGoesOnWithTheNextConsumer(t *testing.T) {
	config, client, token, stop := newLog(t)
	// What is at the place of a batch that somebody else holds must wait.
	tx, err := stack.DB(t, config).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "SELECT * FROM projection_generations WHERE projection = 'logins' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	sendJSON(t, client, http.MethodPost, "/api/projections/logins/rebuild", token, `{}`, http.StatusAccepted)
	eventuallyRebuilt(t, client, token, "logins", "running")
	answer := sendJSON(t, client, http.MethodPost, "/api/projections/audit/rebuild", token, `{}`, http.StatusConflict)
	if !strings.Contains(string(answer), "a consumer rebuilds logins") {
		t.Errorf("a second rebuild: %s", answer)
	}
	stop()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	serving := stack.Serve(t, config)
	eventuallyRebuilt(t, serving, token, "logins", "stopped")
	client, _ = stack.Run(t, config)
	eventuallyRebuilt(t, client, token, "logins", "switched")
	exec(t, config, "UPDATE projection_rebuilds SET outcome = 'running', ended_at = NULL")
	eventuallyRebuilt(t, client, token, "logins", "interrupted")
}

type deadLetterPage struct {
	DeadLetters []struct {
		Projection, Topic, State, Value, Reason string
		Offset                                  int64
		Waiver                                  *struct{ By, Reason string }
	}
	Next *string
}

// eventuallyDead lists dead letters until there are so many.
func eventuallyDead(t *testing.T, client *stack.Client, token, query string, count int) (list deadLetterPage) {
	t.Helper()
	stack.Eventually(t, wait, func() error {
		list = parse[deadLetterPage](t, call(t, client, http.MethodGet, "/api/deadletters"+query, token, http.StatusOK))
		if len(list.DeadLetters) != count {
			return fmt.Errorf("%d dead letters, want %d: %+v", len(list.DeadLetters), count, list)
		}
		return nil
	})
	return list
}

func TestAnAdministratorRetriesAndWaivesDeadLettersOverHTTP(t *testing.T) {
	config, client, token, _ := newLog(t)
	var offset int64
	for i := range 3 {
		offset = stack.Produce(t, config, config.EventsTopic, 0, fmt.Sprintf("poison %d \xff", i))
	}
	whole := eventuallyDead(t, client, token, "", 6) // of the audit log and the statistics
	if one := whole.DeadLetters[5]; one.Projection != "logins" || one.Offset != offset || one.State != "open" || one.Value != "poison 2 \uFFFD" || one.Reason == "" {
		t.Errorf("got %+v", one)
	}
	var paged deadLetterPage
	for query := "?limit=2"; query != ""; {
		page := parse[deadLetterPage](t, call(t, client, http.MethodGet, "/api/deadletters"+query, token, http.StatusOK))
		paged.DeadLetters = append(paged.DeadLetters, page.DeadLetters...)
		query = ""
		if page.Next != nil {
			query = "?limit=2&cursor=" + *page.Next
		}
	}
	if fmt.Sprint(paged) != fmt.Sprint(deadLetterPage{DeadLetters: whole.DeadLetters}) {
		t.Errorf("pages give %+v, want %+v", paged, whole)
	}
	at := fmt.Sprintf(`"topic":%q,"partition":0,"offset":%d`, config.EventsTopic, offset)
	answer := sendJSON(t, client, http.MethodPost, "/api/deadletters/retry", token, `{"projection":"logins",`+at+`}`, http.StatusOK)
	if !strings.Contains(string(answer), `"projection":"logins","understood":false`) {
		t.Errorf("retried: %s", answer)
	}
	answer = sendJSON(t, client, http.MethodPost, "/api/deadletters/waive", token, `{`+at+`,"reason":"a test wrote it"}`, http.StatusOK)
	if string(answer) != `{"projections":["audit","logins"]}`+"\n" {
		t.Errorf("waived: %s", answer)
	}
	waived := eventuallyDead(t, client, token, "?state=waived&projection=audit", 1).DeadLetters[0]
	if waived.Waiver == nil || waived.Waiver.By != "admin" || waived.Waiver.Reason != "a test wrote it" {
		t.Errorf("got %+v", waived)
	}
	for body, status := range map[string]int{
		`{` + at + `,"reason":"again"}`:                                  http.StatusConflict,
		`{"topic":"none","partition":0,"offset":1,"reason":"none"}`:      http.StatusNotFound,
		`{` + at + `,"projection":"adit","reason":"none"}`:               http.StatusNotFound,
		`{` + at + `,"reason":" "}`:                                      http.StatusBadRequest,
		`{` + at + `}`:                                                   http.StatusBadRequest,
		`{"topic":"none","partition":-1,"offset":1,"reason":"negative"}`: http.StatusBadRequest,
	} {
		if strings.Contains(body, `" "`) {
			body = strings.Replace(body, fmt.Sprintf(`"offset":%d`, offset), fmt.Sprintf(`"offset":%d`, whole.DeadLetters[4].Offset), 1)
		}
		sendJSON(t, client, http.MethodPost, "/api/deadletters/waive", token, body, status)
	}
	sendJSON(t, client, http.MethodPost, "/api/deadletters/retry", token, `{"topic":"none","partition":0,"offset":1}`, http.StatusNotFound)
	call(t, client, http.MethodGet, "/api/deadletters?projection=adit", token, http.StatusNotFound)
	want := fmt.Sprintf(`DEAD_LETTER_RETRY {"userId":1,"username":"admin","projection":"logins","place":"%s/0/%d"}`, config.EventsTopic, offset)
	if got := doingsOf(t, config); len(got) != 1 || got[0] != want {
		t.Errorf("recorded %v, want %s", got, want)
	}
	if scalar[int](t, config, "SELECT COUNT(*) FROM outbox WHERE type = ? AND metadata->>'$.actor' = 'user:1'", domain.DeadLetterWaived) != 1 {
		t.Error("the waiver is not the administrator's")
	}
}
