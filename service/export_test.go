package service_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"helfy/domain"
	"helfy/internal/stack"
)

// open begins an export and returns its answer.
func open(t *testing.T, client *stack.Client, token, query string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, client.Base+"/api/audit/export"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() }) // it may be cut off
	return response
}

func exportAll(t *testing.T, client *stack.Client, token, query string) (answer []byte) {
	t.Helper()
	response := open(t, client, token, query)
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %.200s, %v", response.StatusCode, answer, err)
	}
	return answer
}

func TestAnExportHasWhatTheFilterChoosesInEachFormat(t *testing.T) {
	_, client, token, _ := newLog(t)
	page, err := client.Audit(t.Context(), token, "?limit=500")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(exportAll(t, client, token, "?format=csv"))).ReadAll()
	if err != nil || len(rows) != 1+len(page.Entries) || rows[0][0] != "id" {
		t.Fatalf("%d rows of %d entries, %v", len(rows), len(page.Entries), err)
	}
	lines := strings.Split(strings.TrimSuffix(string(exportAll(t, client, token, "?format=jsonl")), "\n"), "\n")
	events := strings.Split(strings.TrimSuffix(string(exportAll(t, client, token, "?format=ocsf")), "\n"), "\n")
	for i, entry := range page.Entries {
		if row := rows[1+i]; row[0] != entry.ID || row[1] != entry.CommitTs || row[4] != entry.EventType || row[8] != *entry.Username {
			t.Errorf("row %d is %v, want %+v", i, row, entry)
		}
		if line := parse[stack.Entry](t, []byte(lines[i])); fmt.Sprint(asText(t, line)) != fmt.Sprint(asText(t, entry)) {
			t.Errorf("line %d is %+v, want %+v", i, line, entry)
		}
		if !strings.Contains(events[i], `"uid":"`+entry.ID+`"`) || !strings.Contains(events[i], `"version":"1.3.0"`) {
			t.Errorf("event %d is %s", i, events[i])
		}
	}
	if only := exportAll(t, client, token, "?format=jsonl&eventType=LOGIN_SUCCESS"); bytes.Count(only, []byte("\n")) != 1 {
		t.Errorf("the filter chooses %s", only)
	}
	if none := exportAll(t, client, token, "?user=nobody"); string(none) != strings.Join(rows[0], ",")+"\n" {
		t.Errorf("nothing is %q", none)
	}
	call(t, client, http.MethodGet, "/api/audit/export?format=xml", token, http.StatusBadRequest)
	call(t, client, http.MethodGet, "/api/audit/export?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", token, http.StatusBadRequest)
}

func asText(t *testing.T, value any) string {
	t.Helper()
	return string(asJSON(t, value))
}

func TestAnExportSaysWhatItIsAndIsRecorded(t *testing.T) {
	config, client, token, _ := newLog(t)
	header := open(t, client, token, "?format=csv&user=admin").Header
	if !strings.HasPrefix(header.Get("Content-Disposition"), `attachment; filename="helfy-audit-`) || !strings.HasPrefix(header.Get("Content-Type"), "text/csv") {
		t.Errorf("got %v", header)
	}
	if _, err := time.Parse(time.RFC3339Nano, header.Get("X-Complete-Through")); err != nil {
		t.Error(err)
	}
	requireReadings(t, config,
		`{"userId":1,"username":"admin","route":"GET /api/audit/export","filter":{"format":"csv","user":"admin"}}`)
}

func TestNoCellOfAnExportIsAFormula(t *testing.T) {
	config, client, token, _ := newLog(t)
	for i, name := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"} {
		stack.FillLog(t, config, 1)
		if _, err := stack.DB(t, config).ExecContext(t.Context(),
			"UPDATE projection_audit_entries SET username = ?, commit_ts = ? WHERE row_key = '0'", name, 10+i); err != nil {
			t.Fatal(err)
		}
		answer := exportAll(t, client, token, "?userId=9")
		rows, err := csv.NewReader(bytes.NewReader(answer)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := rows[1][8]; got != "'"+name {
			t.Errorf("%q became %q", name, got)
		}
		exec(t, config, "DELETE FROM projection_audit_entries WHERE user_id = 9")
	}
}

func TestAnExportOfManyRowsIsExactAndTakesNoMemory(t *testing.T) {
	stack.Alone(t)
	config, client, token, _ := newLog(t)
	const count = 60_000
	stack.FillLog(t, config, count)
	peak := stack.WatchHeap()
	lines := bufio.NewScanner(open(t, client, token, "?format=jsonl&userId=9").Body)
	lines.Buffer(nil, 1<<20)
	next := count - 1
	for ; lines.Scan(); next-- {
		var entry struct{ ID, CommitTs, Username string }
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.ID != strconv.Itoa(next) || entry.CommitTs != strconv.Itoa(1000+next) || entry.Username != "filler" {
			t.Fatalf("got %+v, want %d", entry, next)
		}
	}
	if err := lines.Err(); err != nil || next != -1 {
		t.Fatalf("ended before %d: %v", next, err)
	}
	// The service and this test run in one process: of 60 000 rows, 25 MB as
	// they are sent, it must hold a few pages.
	if mb := peak(); mb > 120 {
		t.Errorf("the heap grew to %.0f MB", mb)
	}
}

func TestAnExportThatBreaksOffDoesNotLookWhole(t *testing.T) {
	own := stack.NewOwn(t)
	config := own.Config()
	stack.AddUser(t, config, "admin", domain.RoleAdmin)
	client, _ := stack.Run(t, config)
	token := login(t, client, "admin")
	eventuallyComplete(t, client, token)
	stack.FillLog(t, config, 40_000)
	response := open(t, client, token, "?format=csv")
	if _, err := io.ReadFull(response.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	own.Ctl("kill", "tidb")
	rest, err := io.ReadAll(response.Body)
	if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the transfer ended well after %d bytes: %v", len(rest), err)
	}
	own.Ctl("start", "tidb")
}

func TestOnlyAFewExportsAreUnderWay(t *testing.T) {
	config, client, token, _ := newLog(t)
	stack.FillLog(t, config, 40_000) // more than the buffers between take
	for range 2 {
		if status := open(t, client, token, "").StatusCode; status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	third := open(t, client, token, "")
	if third.StatusCode != http.StatusServiceUnavailable || third.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, %v", third.StatusCode, third.Header)
	}
}
